//! What a demo consists of: who asks when, which limiters decide, and when it ends.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_e2e::{
    arena::ArmPlan,
    load::{Arrival, Limits},
};

use crate::{arms::Tuned, cast::Cast};

/// The arm with the whole of Tidegate.
pub(crate) const TIDEGATE: &str = "tidegate";
/// The secret that the demo's proxies present.
pub(crate) const TOKEN: &str = "demo-secret";
/// How often a proxy reports.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// Length of a forecast step.
pub(crate) const STEP: Duration = Duration::from_secs(1);

/// A demo, ready to be played.
pub(crate) struct Script {
    /// What a newcomer should read first.
    pub(crate) title: Vec<String>,
    /// The folder below the target directory.
    pub(crate) folder: String,
    /// The limiters, all of which get every request; one of them is [`TIDEGATE`].
    pub(crate) arms: Vec<ArmPlan>,
    /// The limits of arms that were chosen with hindsight, in the order of the arms.
    pub(crate) tuned: Vec<Option<Tuned>>,
    /// What all arms have to share out, where there is one budget.
    pub(crate) budget: Option<Budget>,
    /// The customers; the schedule's `who` is an index.
    pub(crate) cast: Vec<Cast>,
    /// The requests.
    pub(crate) schedule: Box<dyn Iterator<Item = Arrival> + Send>,
    /// How much traffic there may be.
    pub(crate) limits: Limits,
    /// How long the forecaster only learns; what comes in this time does not count.
    pub(crate) learning: Duration,
    /// How much traffic it takes to judge foresight; `None` when it cannot be judged.
    pub(crate) judged_after: Option<Duration>,
    /// The resource whose forecasts are shown.
    pub(crate) watched: String,
    /// Resources whose actual cost the upstream tells, by name and by header suffix.
    pub(crate) settled: Vec<(String, String)>,
    /// Whether it ends by itself.
    pub(crate) once: bool,
}

/// At most `capacity_per_s * t + burst` requests may be admitted in any t seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Requests per second.
    pub(crate) capacity_per_s: u32,
    /// Requests.
    pub(crate) burst: u32,
}

/// The plugin's configuration in an arm: everybody is told apart by `x-customer`.
pub(crate) fn plugin(arm: &str, resources: &Value) -> Value {
    json!({
        "mode": "enforce",
        "proxy": format!("demo-{arm}"),
        "key": [{ "header": "x-customer" }],
        "class": { "header": "x-priority" },
        "resources": resources,
        "forecaster": { "cluster": arm, "token": TOKEN },
        "fail_mode": "reactive",
        "response_headers": true,
    })
}
