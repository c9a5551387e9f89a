//! `GET /resourceAvailability`: what is promised, what is expected and what is left, per resource and step.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use tidegate_core::plan::ResourcePolicy;
use tidegate_learn::Series;

use super::{problem::Problem, tidy};
use crate::{app::App, clock::rfc3339, planning::Plan};

#[derive(Serialize)]
pub(super) struct Availability {
    table_epoch: u64,
    generated_at: String,
    step_s: f64,
    resources: Vec<ResourceView>,
}

#[derive(Serialize)]
struct ResourceView {
    resource: String,
    capacity_per_s: f64,
    burst: u64,
    safe_capacity_per_s: f64,
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    starts_at: String,
    guaranteed_per_s: f64,
    unreserved_per_s: f64,
    /// Demand of all keys together; absent before there is a forecast.
    demand_median_per_s: Option<f64>,
    #[serde(rename = "demand_hi-80_per_s")]
    demand_hi_80_per_s: Option<f64>,
    expected_headroom_per_s: Option<f64>,
}

pub(super) async fn get(State(app): State<Arc<App>>) -> Result<Json<Availability>, Problem> {
    let plan =
        app.current_plan().ok_or_else(|| Problem::unavailable("there is no plan yet; try again soon"))?;
    let learner = app.learner.read().await;
    let view = |(index, resource): (usize, &ResourcePolicy)| ResourceView {
        resource: resource.name.clone(),
        capacity_per_s: resource.capacity_per_s,
        burst: resource.burst,
        safe_capacity_per_s: resource.safe_capacity_per_s,
        steps: (0..usize::from(plan.table.steps))
            .map(|step| step_view(&plan, index, resource, step, learner.total(index)))
            .collect(),
    };
    Ok(Json(Availability {
        table_epoch: plan.table.epoch,
        generated_at: rfc3339(plan.made_at_ms),
        step_s: f64::from(plan.table.step_ms) / 1e3,
        resources: app.config.resources.iter().enumerate().map(view).collect(),
    }))
}

fn step_view(
    plan: &Plan,
    index: usize,
    resource: &ResourcePolicy,
    step: usize,
    total: Option<&Series>,
) -> StepView {
    let starts_at_ms = plan.starts_at_ms(step);
    let step_ms = u64::from(plan.table.step_ms.max(1));
    let per_s = |tokens: f64| tokens * 1e3 / step_ms as f64;
    let forecast = total.and_then(|total| total.at(starts_at_ms / step_ms));
    let median = forecast.map(|forecast| {
        let [_, _, median, _, _] = forecast.bounds();
        per_s(median)
    });
    let hi_80 = forecast.map(|forecast| {
        let [_, _, _, hi_80, _] = forecast.bounds();
        per_s(hi_80)
    });
    let guaranteed = plan.guaranteed_per_s(index, step);
    StepView {
        starts_at: rfc3339(starts_at_ms),
        guaranteed_per_s: tidy(guaranteed),
        unreserved_per_s: tidy(resource.capacity_per_s - guaranteed),
        demand_median_per_s: median.map(tidy),
        demand_hi_80_per_s: hi_80.map(tidy),
        expected_headroom_per_s: median.map(|median| tidy((resource.capacity_per_s - median).max(0.0))),
    }
}
