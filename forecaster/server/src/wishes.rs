//! What more capacity would have served: told by reports, expected of the next steps, shown to whoever can add some.

use tidegate_core::{plan::ResourcePolicy, report::Report};
use tidegate_learn::{Learner, Series};
use tidegate_store::Wished;

use crate::{
    app::App,
    clock,
    config::Config,
    metrics::{ResourceLabel, WishLabels},
};

/// How many report intervals back wishes are shown.
const INTERVALS_SHOWN: u64 = 30;

/// What was wished for lately.
pub(crate) struct Lately {
    pub(crate) over_s: f64,
    /// By resource index.
    pub(crate) wished: Vec<Wished>,
}

impl App {
    /// Counts what a report that is durable wishes for. Names that are not configured have no label.
    pub(crate) fn note_wishes(&self, report: &Report) {
        for wish in &report.wishes {
            let name = report.resources.get(usize::from(wish.resource));
            let Some(name) = name.filter(|name| self.resource(name).is_some()) else { continue };
            for (result, tokens) in [("refused", wish.refused), ("delayed", wish.delayed)] {
                self.metrics.wished(WishLabels { resource: name.clone(), result }, tokens);
            }
        }
    }

    /// What was wished for in the last windows.
    pub(crate) async fn wished_lately(&self) -> Result<Lately, tidegate_store::Error> {
        let span_ms = u64::from(self.config.report_interval_ms) * INTERVALS_SHOWN;
        let now_ms = clock::now_ms();
        let known = self.store.wishes_between(now_ms.saturating_sub(span_ms), now_ms + 1).await?;
        let of = |resource: &ResourcePolicy| known.get(&resource.name).copied().unwrap_or_default();
        Ok(Lately { over_s: span_ms as f64 / 1e3, wished: self.config.resources.iter().map(of).collect() })
    }
}

/// What is expected to be missing of a resource in a step, in tokens per second.
pub(crate) fn shortage_per_s(wished: Option<&Series>, step: u64, step_ms: u64) -> f64 {
    let mean = wished.and_then(|series| series.at(step)).map_or(0.0, |forecast| forecast.mean);
    mean * 1e3 / step_ms.max(1) as f64
}

/// How much capacity of each resource would serve everybody in a step. What is held has none: it is not refilled.
pub(crate) fn wanted_capacities(config: &Config, learner: &Learner, step: u64) -> Vec<(ResourceLabel, f64)> {
    let rates = config.resources.iter().enumerate().filter(|(_, resource)| !resource.held);
    let wanted = |(index, resource): (usize, &ResourcePolicy)| {
        let shortage = shortage_per_s(learner.wished(index), step, u64::from(config.forecast.step_ms));
        (ResourceLabel { resource: resource.name.clone() }, resource.capacity_per_s + shortage)
    };
    rates.map(wanted).collect()
}
