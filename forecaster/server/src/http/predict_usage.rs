//! `GET /predictUsage?key=K[&resource=R]`: what a key is expected to ask for, and how good past forecasts were.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use tidegate_learn::{Past, Series};
use tidegate_model::StepForecast;

use super::{Asked, problem::Problem, tidy, tier_name, tier_of};
use crate::{
    app::App,
    clock::{now_ms, rfc3339},
    config::Config,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    key: String,
    resource: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Prediction {
    key: String,
    resource: String,
    tier: String,
    unit: &'static str,
    step_s: f64,
    season_steps: usize,
    observed_steps: u64,
    model: &'static str,
    generated_at: String,
    steps: Vec<StepView>,
    recent: Vec<PastView>,
}

#[derive(Serialize)]
struct StepView {
    starts_at: String,
    mean: f64,
    median: f64,
    quantiles: QuantilesView,
}

#[derive(Serialize)]
struct QuantilesView {
    #[serde(rename = "0.025")]
    lo_95: f64,
    #[serde(rename = "0.1")]
    lo_80: f64,
    #[serde(rename = "0.5")]
    median: f64,
    #[serde(rename = "0.9")]
    hi_80: f64,
    #[serde(rename = "0.975")]
    hi_95: f64,
}

#[derive(Serialize)]
struct PastView {
    starts_at: String,
    actual: f64,
    predicted: f64,
    #[serde(rename = "lo-80")]
    lo_80: f64,
    #[serde(rename = "hi-80")]
    hi_80: f64,
}

pub(super) async fn get(
    State(app): State<Arc<App>>,
    asked: Asked<Params>,
) -> Result<Json<Prediction>, Problem> {
    let Query(Params { key, resource }) = asked?;
    let config = &app.config;
    let learner = app.learner.read().await;
    let known = learner.key(&key);
    let index = match &resource {
        Some(name) => config
            .resources
            .iter()
            .position(|resource| resource.name == *name)
            .ok_or_else(|| Problem::bad_request(format!("there is no resource `{name}`")))?,
        // Without a resource: the first one that the key has used.
        None => known.iter().position(Option::is_some).unwrap_or(0),
    };
    let series = known.get(index).and_then(Option::as_ref);
    let (Some(series), Some(resource)) = (series, config.resources.get(index)) else {
        return Err(Problem::not_found(format!("no usage of `{key}` has been learned yet")));
    };
    let generated_at_ms = app.current_plan().map_or_else(now_ms, |plan| plan.made_at_ms);
    Ok(Json(prediction(config, key, &resource.name, series, generated_at_ms)))
}

fn prediction(
    config: &Config,
    key: String,
    resource: &str,
    series: &Series,
    generated_at_ms: u64,
) -> Prediction {
    let forecast = &config.forecast;
    let step_ms = u64::from(forecast.step_ms);
    let (from, steps) = series.forecast();
    Prediction {
        tier: tier_name(config, tier_of(config, &key)).to_owned(),
        key,
        resource: resource.to_owned(),
        unit: "tokens per step",
        step_s: f64::from(forecast.step_ms) / 1e3,
        season_steps: forecast.season_steps,
        observed_steps: series.observed_steps(),
        model: forecast.model.name,
        generated_at: rfc3339(generated_at_ms),
        steps: (from..).zip(steps).map(|(step, forecast)| step_view(step * step_ms, forecast)).collect(),
        recent: series.past().map(|past| past_view(past, step_ms)).collect(),
    }
}

fn step_view(starts_at_ms: u64, forecast: &StepForecast) -> StepView {
    let [lo_95, lo_80, median, hi_80, hi_95] = forecast.quantiles.map(tidy);
    StepView {
        starts_at: rfc3339(starts_at_ms),
        mean: tidy(forecast.mean),
        median,
        quantiles: QuantilesView { lo_95, lo_80, median, hi_80, hi_95 },
    }
}

fn past_view(past: &Past, step_ms: u64) -> PastView {
    PastView {
        starts_at: rfc3339(past.step * step_ms),
        actual: tidy(past.actual.into()),
        predicted: tidy(past.predicted.into()),
        lo_80: tidy(past.lo_80.into()),
        hi_80: tidy(past.hi_80.into()),
    }
}
