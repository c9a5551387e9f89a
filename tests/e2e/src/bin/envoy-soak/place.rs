//! What is soaked: a forecaster with some hundred customers, and an Envoy with two workers that answers by itself.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Extra, INGRESS, Limiter, Listener, Plugin, Stats},
    forecaster::{Bucket, Customer, Forecast, Forecaster, ForecasterConfig, Resource, Tier},
    ports,
};

/// Customers that the table knows.
pub(crate) const CUSTOMERS: u64 = 300;
/// What a worker remembers at most: the keys that a table may name, those that none names, and the entry that others share.
pub(crate) const MOST_KEYS: u64 = CUSTOMERS + LEARNED + 50_000 + 1;
/// Workers of Envoy.
pub(crate) const WORKERS: u32 = 2;

const TOKEN: &str = "envoy-soak";
/// Keys that the forecaster learns, and so names in tables, beside the customers.
const LEARNED: u64 = 20_000;
/// Less than what is asked for, so that some is refused.
const CAPACITY_PER_S: u32 = 4_000;
const TIERS: [&str; 3] = ["gold", "silver", "bronze"];

/// Forecaster and Envoy; end with the value, Envoy first.
#[derive(Debug)]
pub(crate) struct Place {
    /// Envoy.
    pub(crate) envoy: Envoy,
    /// The forecaster.
    pub(crate) forecaster: Forecaster,
}

/// The name of a customer.
pub(crate) fn customer(number: u64) -> String {
    format!("customer-{number:03}")
}

/// Requests that came to the plugin: those that the filter before it let pass, which is all that reach it.
pub(crate) fn passed_to_plugin(stats: &Stats) -> u64 {
    stats.get(&format!("http.{INGRESS}.rbac.allowed"))
}

impl Place {
    /// Starts both; what they write goes to `root`.
    ///
    /// # Errors
    /// What did not start, and what it said.
    pub(crate) async fn start(root: &Path) -> Result<Self> {
        let binaries = Binaries::find()?;
        let market = market()?;
        let yaml = format!("{}max_keys: {LEARNED}\n", market.to_yaml());
        let forecaster = Forecaster::start_with(&binaries.forecaster, &yaml, market.listen, root).await?;
        let config = EnvoyConfig {
            admin: ports::free()?,
            // No request gets there.
            upstream: ports::free()?,
            listeners: vec![Listener {
                name: INGRESS.into(),
                listen: ports::free()?,
                limiter: Limiter::Tidegate(Plugin {
                    name: "tidegate".into(),
                    module: binaries.plugin,
                    configuration: configuration(),
                    cluster: "tidegate".into(),
                    forecaster: forecaster.listen(),
                    sees_bodies: false,
                }),
                access_log: None,
            }],
            extra: Extra { routes: DIRECT.into(), filters: COUNTER.into(), ..Extra::default() },
        };
        let envoy = Envoy::start_workers(&binaries.envoy, &config, WORKERS, root).await?;
        Ok(Self { envoy, forecaster })
    }
}

fn configuration() -> Value {
    json!({
        "mode": "enforce",
        "proxy": "soak",
        "key": [{ "header": "x-customer" }],
        "class": { "header": "x-priority" },
        "resources": { "requests": {
            "cost": { "header": "x-cost", "default": 1 },
            "safe_capacity_per_s": CAPACITY_PER_S,
            "safe_burst": CAPACITY_PER_S,
        } },
        "rules": [{ "name": "health", "match": { "path_prefix": "/health" }, "skip": true }],
        "forecaster": { "cluster": "tidegate", "token": TOKEN },
        "response_headers": true,
        "ratelimit_headers": true,
    })
}

fn market() -> Result<ForecasterConfig> {
    let tier = |(name, weight, floor, rate_per_s, max_delay_ms)| Tier {
        name,
        weight,
        floor,
        risk_quantile: 0.8,
        max_delay_ms,
        contract: vec![("requests", Bucket { rate_per_s, burst: 2 * rate_per_s as u64 })],
    };
    let [gold, silver, bronze] = TIERS;
    let of_tier = |number: u64| TIERS.get((number % 3) as usize).copied().unwrap_or(bronze);
    Ok(ForecasterConfig {
        listen: ports::free()?,
        token: Some(TOKEN.into()),
        report_interval_s: 2.0,
        forecast: Forecast { step_s: 10, horizon_steps: 15, season_s: 600 },
        resources: vec![Resource {
            name: "requests".into(),
            capacity_per_s: f64::from(CAPACITY_PER_S),
            burst: u64::from(CAPACITY_PER_S),
            reservable_share: Some(0.5),
        }],
        tiers: [(gold, 8, 0.0, 50.0, 20), (silver, 4, 0.1, 10.0, 0), (bronze, 1, 0.3, 4.0, 0)]
            .map(tier)
            .into(),
        default_tier: bronze,
        customers: (0..CUSTOMERS)
            .map(|number| Customer { key: customer(number), tier: of_tier(number) })
            .collect(),
    })
}

const DIRECT: &str = "              - match: { prefix: / }
                direct_response: { status: 200 }
";

/// Lets everything pass, and counts it: what Envoy itself refuses does not get this far.
const COUNTER: &str = "          - name: envoy.filters.http.rbac
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: ALLOW
                policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } }
";
