//! What a demo consists of: who asks when, under which configuration, and when it ends.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_e2e::{
    forecaster::ForecasterConfig,
    load::{Arrival, Limits},
};

use crate::cast::Cast;

/// The secret that the demo's proxy presents.
pub(crate) const TOKEN: &str = "demo-secret";
/// How often the proxy reports.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// Length of a forecast step.
pub(crate) const STEP: Duration = Duration::from_secs(1);

/// A demo, ready to be played.
pub(crate) struct Script {
    /// What a newcomer should read first.
    pub(crate) title: Vec<String>,
    /// The folder below the target directory.
    pub(crate) folder: String,
    /// The plugin's configuration.
    pub(crate) plugin: Value,
    /// The forecaster's configuration.
    pub(crate) forecaster: ForecasterConfig,
    /// The customers; the schedule's `who` is an index.
    pub(crate) cast: Vec<Cast>,
    /// The requests.
    pub(crate) schedule: Box<dyn Iterator<Item = Arrival> + Send>,
    /// How much traffic there may be.
    pub(crate) limits: Limits,
    /// How long the forecaster only learns before its forecasts are judged.
    pub(crate) learning: Duration,
    /// The resource whose forecasts are shown.
    pub(crate) watched: String,
    /// Resources whose actual cost the upstream tells, by name and by header suffix.
    pub(crate) settled: Vec<(String, String)>,
    /// Whether it ends by itself.
    pub(crate) once: bool,
}

/// The plugin's configuration: everybody is told apart by `x-customer`.
pub(crate) fn plugin(resources: &Value) -> Value {
    json!({
        "mode": "enforce",
        "proxy": "demo-envoy",
        "key": [{ "header": "x-customer" }],
        "class": { "header": "x-priority" },
        "resources": resources,
        "forecaster": { "cluster": "tidegate", "token": TOKEN },
        "fail_mode": "reactive",
        "response_headers": true,
    })
}
