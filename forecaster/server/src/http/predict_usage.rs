//! `GET /predictUsage?key=K[&resource=R][&horizon=1h]`: what a key is expected to ask for, and how good past forecasts were.
//!
//! Without a horizon, the steps that are planned; with one, forecasts on demand: the steps of 15 minutes, an hour or a
//! day, or a week by the hour, with sums over hours, days and weeks that the steps add up to.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use tidegate_learn::{Past, Series};
use tidegate_model::{Bounds, ScenarioMix, StepForecast, roll_up};

use super::{
    Asked,
    problem::Problem,
    profile::{self, ProfileView},
    tidy, tier_name, tier_of,
};
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
    horizon: Option<String>,
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const WEEK_MS: u64 = 7 * DAY_MS;
/// How far may be asked for.
const HORIZONS: [(&str, u64); 4] =
    [("15min", 15 * MINUTE_MS), ("1h", HOUR_MS), ("24h", DAY_MS), ("7d", WEEK_MS)];
/// Sums that a horizon is told in.
const SUMS: [(&str, u64); 3] = [("hourly", HOUR_MS), ("daily", DAY_MS), ("weekly", WEEK_MS)];
/// Single steps are told up to here, further away only sums.
const STEPS_UNTIL_MS: u64 = DAY_MS;
/// Nobody waits for more steps.
const MOST_STEPS: u64 = 20_160;

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
    /// What low, high and spike mean for this key now.
    bounds: BoundsView,
    /// When the last shift of the level was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    shifted_at: Option<String>,
    steps: Vec<StepView>,
    /// By name: hourly, daily, weekly, as far as the horizon goes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sums: BTreeMap<&'static str, Vec<StepView>>,
    recent: Vec<PastView>,
    /// What its requests are like, where reports tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<ProfileView>,
}

#[derive(Serialize)]
struct BoundsView {
    low: f64,
    high: f64,
    spike: f64,
}

/// How likely demand is to be below, within and above what is usual, or far above.
#[derive(Serialize)]
struct MixView {
    low: f64,
    medium: f64,
    high: f64,
    spike: f64,
}

#[derive(Serialize)]
pub(super) struct StepView {
    starts_at: String,
    mean: f64,
    median: f64,
    quantiles: QuantilesView,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenarios: Option<MixView>,
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
    let Query(Params { key, resource, horizon }) = asked?;
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
    let horizon_ms = horizon.as_deref().map(horizon_ms).transpose()?;
    let generated_at_ms = app.current_plan().map_or_else(now_ms, |plan| plan.made_at_ms);
    let profile = profile::of(&app, &learner, &key, index);
    let prediction = prediction(config, key, &resource.name, series, generated_at_ms, horizon_ms);
    Ok(Json(Prediction { profile, ..prediction }))
}

fn horizon_ms(asked: &str) -> Result<u64, Problem> {
    let known = HORIZONS.iter().find(|(name, _)| *name == asked);
    known.map(|(_, length_ms)| *length_ms).ok_or_else(|| {
        Problem::bad_request(format!("there is no horizon `{asked}`; give 15min, 1h, 24h or 7d"))
    })
}

fn prediction(
    config: &Config,
    key: String,
    resource: &str,
    series: &Series,
    generated_at_ms: u64,
    horizon_ms: Option<u64>,
) -> Prediction {
    let forecast = &config.forecast;
    let step_ms = u64::from(forecast.step_ms);
    let (from, planned) = series.forecast();
    let (mut steps, mut sums) = (planned.to_vec(), BTreeMap::new());
    if let Some(horizon_ms) = horizon_ms {
        let count = (horizon_ms / step_ms).clamp(1, MOST_STEPS);
        let (ahead, correlation) = series.look_ahead(from, count as usize);
        for (name, length_ms) in SUMS.into_iter().filter(|(_, length_ms)| *length_ms <= horizon_ms) {
            let in_sum = (length_ms / step_ms).max(1);
            let rolled = roll_up(&ahead, in_sum as usize, correlation);
            let starts = (0..).map(|index: u64| (from + index * in_sum) * step_ms);
            let views = starts.zip(&rolled).map(|(at, sum)| step_view(at, sum, None)).collect();
            sums.insert(name, views);
        }
        steps = ahead;
        steps.truncate((STEPS_UNTIL_MS / step_ms).max(1) as usize);
    }
    let outlook = series.outlook_of(&steps);
    let Bounds { low, high, spike } = outlook.bounds;
    Prediction {
        tier: tier_name(config, tier_of(config, &key)).to_owned(),
        key,
        resource: resource.to_owned(),
        unit: "tokens per step",
        step_s: f64::from(forecast.step_ms) / 1e3,
        season_steps: forecast.season_steps,
        observed_steps: series.observed_steps(),
        model: series.model_name(),
        generated_at: rfc3339(generated_at_ms),
        bounds: BoundsView { low: tidy(low), high: tidy(high), spike: tidy(spike) },
        shifted_at: outlook.shifted_at.map(|step| rfc3339(step * step_ms)),
        steps: (from..)
            .zip(steps.iter().zip(&outlook.steps))
            .map(|(step, (forecast, mix))| step_view(step * step_ms, forecast, Some(mix)))
            .collect(),
        sums,
        recent: series.past().map(|past| past_view(past, step_ms)).collect(),
        profile: None,
    }
}

pub(super) fn step_view(starts_at_ms: u64, forecast: &StepForecast, mix: Option<&ScenarioMix>) -> StepView {
    let [lo_95, lo_80, median, hi_80, hi_95] = forecast.bounds().map(tidy);
    StepView {
        starts_at: rfc3339(starts_at_ms),
        mean: tidy(forecast.mean),
        median,
        quantiles: QuantilesView { lo_95, lo_80, median, hi_80, hi_95 },
        scenarios: mix.map(|mix| MixView {
            low: probability(mix.low),
            medium: probability(mix.medium),
            high: probability(mix.high),
            spike: probability(mix.spike),
        }),
    }
}

/// With as many digits as mean anything.
fn probability(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
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
