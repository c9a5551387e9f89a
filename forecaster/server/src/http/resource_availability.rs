//! `GET /resourceAvailability`: what is promised, what is expected and what is left, per resource and step.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use tidegate_core::plan::ResourcePolicy;
use tidegate_learn::Learner;

use super::{problem::Problem, tidy};
use crate::{
    app::App,
    clock::rfc3339,
    planning::Plan,
    wishes::{Lately, shortage_per_s},
};

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
    /// What more capacity would have served lately.
    wished: WishedView,
    steps: Vec<StepView>,
}

/// Tokens within contract, of tiers that may ask for more capacity, over so many seconds.
#[derive(Serialize)]
struct WishedView {
    over_s: f64,
    refused: u64,
    delayed: u64,
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
    /// What is expected to be wished for in vain.
    expected_shortage_per_s: f64,
    /// What capacity would serve that too; absent for what is held.
    wanted_capacity_per_s: Option<f64>,
}

pub(super) async fn get(State(app): State<Arc<App>>) -> Result<Json<Availability>, Problem> {
    let plan =
        app.current_plan().ok_or_else(|| Problem::unavailable("there is no plan yet; try again soon"))?;
    let lately = app.wished_lately().await?;
    let learner = app.learner.read().await;
    let view = |(index, resource): (usize, &ResourcePolicy)| ResourceView {
        resource: resource.name.clone(),
        capacity_per_s: resource.capacity_per_s,
        burst: resource.burst,
        safe_capacity_per_s: resource.safe_capacity_per_s,
        wished: wished_view(&lately, index),
        steps: (0..usize::from(plan.table.steps))
            .map(|step| step_view(&plan, index, resource, step, &learner))
            .collect(),
    };
    Ok(Json(Availability {
        table_epoch: plan.table.epoch,
        generated_at: rfc3339(plan.made_at_ms),
        step_s: f64::from(plan.table.step_ms) / 1e3,
        resources: app.config.resources.iter().enumerate().map(view).collect(),
    }))
}

fn wished_view(lately: &Lately, index: usize) -> WishedView {
    let wished = lately.wished.get(index).copied().unwrap_or_default();
    WishedView { over_s: lately.over_s, refused: wished.refused, delayed: wished.delayed }
}

fn step_view(
    plan: &Plan,
    index: usize,
    resource: &ResourcePolicy,
    step: usize,
    learner: &Learner,
) -> StepView {
    let starts_at_ms = plan.starts_at_ms(step);
    let step_ms = u64::from(plan.table.step_ms.max(1));
    let per_s = |tokens: f64| tokens * 1e3 / step_ms as f64;
    let step_number = starts_at_ms / step_ms;
    let forecast = learner.total(index).and_then(|total| total.at(step_number));
    let median = forecast.map(|forecast| {
        let [_, _, median, _, _] = forecast.bounds();
        per_s(median)
    });
    let hi_80 = forecast.map(|forecast| {
        let [_, _, _, hi_80, _] = forecast.bounds();
        per_s(hi_80)
    });
    let shortage = shortage_per_s(learner.wished(index), step_number, step_ms);
    let guaranteed = plan.guaranteed_per_s(index, step);
    StepView {
        starts_at: rfc3339(starts_at_ms),
        guaranteed_per_s: tidy(guaranteed),
        unreserved_per_s: tidy(resource.capacity_per_s - guaranteed),
        demand_median_per_s: median.map(tidy),
        demand_hi_80_per_s: hi_80.map(tidy),
        expected_headroom_per_s: median.map(|median| tidy((resource.capacity_per_s - median).max(0.0))),
        expected_shortage_per_s: tidy(shortage),
        wanted_capacity_per_s: (!resource.held).then(|| tidy(resource.capacity_per_s + shortage)),
    }
}
