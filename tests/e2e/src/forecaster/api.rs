//! What the forecaster's HTTP API answers, as far as the rig reads it.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};

/// `GET /v1/usage`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Usage {
    /// One entry per key and resource.
    pub totals: Vec<Total>,
}

/// Everything that was ever reported about one key and resource.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Total {
    /// The throttling key.
    pub key: String,
    /// The resource.
    pub resource: String,
    /// Requests that asked.
    pub requests_offered: u64,
    /// Requests that were admitted.
    pub requests_admitted: u64,
    /// Requests that were refused.
    pub requests_refused: u64,
    /// Tokens asked for.
    pub offered: u64,
    /// Tokens admitted from a reservation.
    pub guaranteed: u64,
    /// Tokens admitted from the pool.
    pub opportunistic: u64,
    /// Actual cost of what was admitted.
    pub settled: u64,
}

/// `GET /v1/explain`, as far as it is about proxies.
#[derive(Clone, Debug, Deserialize)]
pub struct Explanation {
    /// The proxies that are connected.
    pub proxies: Vec<Proxy>,
}

/// A proxy as the forecaster sees it.
#[derive(Clone, Debug, Deserialize)]
pub struct Proxy {
    /// The epoch of the table that it has acknowledged.
    pub table_epoch: u64,
    /// Why it refused one.
    pub table_error: Option<String>,
}

/// `GET /resourceAvailability`.
#[derive(Clone, Debug, Deserialize)]
pub struct Availability {
    /// By resource.
    pub resources: Vec<Available>,
}

/// One resource's coming steps.
#[derive(Clone, Debug, Deserialize)]
pub struct Available {
    /// Its name.
    pub resource: String,
    /// Tokens per second.
    pub capacity_per_s: f64,
    /// The steps of the plan in force.
    pub steps: Vec<AvailableStep>,
}

/// One step of a plan.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct AvailableStep {
    /// Reserved, in tokens per second.
    pub guaranteed_per_s: f64,
    /// Not reserved, in tokens per second.
    pub unreserved_per_s: f64,
}

/// `GET /predictUsage`.
#[derive(Clone, Debug, Deserialize)]
pub struct Prediction {
    /// The model that speaks.
    pub model: String,
    /// The coming steps.
    pub steps: Vec<Step>,
    /// Closed steps, with the forecast that was made one step before each.
    pub recent: Vec<Closed>,
}

/// The forecast of a coming step.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// The median.
    pub median: f64,
    /// By level.
    pub quantiles: Quantiles,
}

/// The quantiles that are read.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Quantiles {
    /// Lower end of the 80 % interval.
    #[serde(rename = "0.1")]
    pub low: f64,
    /// Upper end of the 80 % interval.
    #[serde(rename = "0.9")]
    pub high: f64,
}

/// A step that is over.
#[derive(Clone, Debug, Deserialize)]
pub struct Closed {
    /// When it began.
    #[serde(deserialize_with = "timestamp")]
    pub starts_at: Timestamp,
    /// What was asked for.
    pub actual: f64,
    /// What had been predicted one step before.
    pub predicted: Option<f64>,
    /// Lower end of the 80 % interval.
    #[serde(rename = "lo-80")]
    pub low: Option<f64>,
    /// Upper end of the 80 % interval.
    #[serde(rename = "hi-80")]
    pub high: Option<f64>,
}

impl Usage {
    /// The sum of a figure over all keys, on one resource.
    #[must_use]
    pub fn sum(&self, resource: &str, figure: impl Fn(&Total) -> u64) -> u64 {
        self.totals.iter().filter(|total| total.resource == resource).map(figure).sum()
    }

    /// The entry of one key on one resource; all zeros when there is none.
    #[must_use]
    pub fn of(&self, key: &str, resource: &str) -> Total {
        let wanted = |total: &&Total| total.key == key && total.resource == resource;
        self.totals.iter().find(wanted).cloned().unwrap_or_default()
    }
}

fn timestamp<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}
