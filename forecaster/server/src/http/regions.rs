//! `GET /v1/regions?resource=R`: what is expected of each region that reports tell; regions add up to the total.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use tidegate_learn::Series;

use super::{
    Asked,
    predict_usage::{StepView, step_view},
    problem::Problem,
};
use crate::app::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    resource: String,
}

#[derive(Serialize)]
pub(super) struct Regions {
    resource: String,
    unit: &'static str,
    step_s: f64,
    /// Empty where no report tells a region.
    regions: Vec<RegionView>,
    total: Vec<StepView>,
}

#[derive(Serialize)]
struct RegionView {
    region: String,
    observed_steps: u64,
    steps: Vec<StepView>,
}

pub(super) async fn get(State(app): State<Arc<App>>, asked: Asked<Params>) -> Result<Json<Regions>, Problem> {
    let Query(Params { resource }) = asked?;
    let index = app
        .resource(&resource)
        .ok_or_else(|| Problem::bad_request(format!("there is no resource `{resource}`")))?;
    let step_ms = u64::from(app.config.forecast.step_ms);
    let learner = app.learner.read().await;
    let steps = |series: &Series| {
        let (from, ahead) = series.forecast();
        let starts = (from..).map(|step| step * step_ms);
        starts.zip(ahead).map(|(at, forecast)| step_view(at, forecast, None)).collect::<Vec<_>>()
    };
    let region = |(name, series): (&str, &Series)| RegionView {
        region: name.to_owned(),
        observed_steps: series.observed_steps(),
        steps: steps(series),
    };
    Ok(Json(Regions {
        resource,
        unit: "tokens per step",
        step_s: step_ms as f64 / 1e3,
        regions: learner.regions(index).map(region).collect(),
        total: learner.total(index).map(steps).unwrap_or_default(),
    }))
}
