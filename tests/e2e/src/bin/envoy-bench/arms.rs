//! The limiters, each in an Envoy of its own, all with the same upstream.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Extra, INGRESS, Limiter, Listener, LocalLimit, Plugin, TokenBucket},
    folder,
    forecaster::{Bucket, Customer, Forecast, Forecaster, ForecasterConfig, Resource, Tier},
    load::{Ask, Client},
    ports,
    rig::TABLE_EPOCH,
    wait,
};

const TOKEN: &str = "envoy-bench";
/// Nothing is ever refused: what is measured is the way of a request that passes.
const PLENTY: u32 = 1_000_000_000;
/// Customers that ask.
const CUSTOMERS: usize = 100;
const SOON: Duration = Duration::from_secs(20);
const PROMPT: &str = r#"{"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "some words"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}}"#;

/// Who limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody.
    Nobody,
    /// Envoy's filter, with one bucket.
    Local,
    /// Envoy's filter, with a bucket for each customer.
    LocalCustomers,
    /// A filter in WebAssembly that does nothing.
    Noop,
    /// A filter in WebAssembly that makes the plugin's calls and decides nothing.
    Calls,
    /// The plugin, in shadow mode.
    Shadow,
    /// The plugin, enforcing.
    Enforcing,
    /// The plugin, enforcing, and telling contracts.
    RateLimit,
    /// The plugin that reads bodies, settling by usage.
    Llm,
}

/// Where requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Envoy answers itself.
    Direct,
    /// The upstream answers.
    Proxied,
    /// The upstream answers as a language model.
    Model,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Nobody,
        Self::Local,
        Self::LocalCustomers,
        Self::Noop,
        Self::Calls,
        Self::Shadow,
        Self::Enforcing,
        Self::RateLimit,
        Self::Llm,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "no filter",
            Self::Local => "local_ratelimit, one bucket",
            Self::LocalCustomers => "local_ratelimit, 100 buckets",
            Self::Noop => "wasm filter that does nothing",
            Self::Calls => "wasm filter with the same calls",
            Self::Shadow => "tidegate, shadow mode",
            Self::Enforcing => "tidegate, enforcing",
            Self::RateLimit => "tidegate, RateLimit fields",
            Self::Llm => "tidegate-llm, settling by usage",
        }
    }

    /// Whether it is measured on a route.
    pub(crate) fn takes(self, route: Route) -> bool {
        match self {
            Self::Nobody | Self::Noop => true,
            Self::Llm => route == Route::Model,
            _ => route != Route::Model,
        }
    }

    /// What all others are compared with.
    pub(crate) const fn is_yardstick(self) -> bool {
        matches!(self, Self::Nobody | Self::Noop | Self::Calls)
    }

    /// The filter, where it is written by hand.
    const fn text(self) -> Option<&'static str> {
        match self {
            Self::Noop => Some(include_str!("noop.wat")),
            Self::Calls => Some(include_str!("calls.wat")),
            _ => None,
        }
    }

    fn is_ours(self) -> bool {
        matches!(self, Self::Shadow | Self::Enforcing | Self::RateLimit | Self::Llm)
    }
}

impl Route {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Proxied, Self::Model];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Proxied => "proxied",
            Self::Model => "model",
        }
    }

    /// The request of a customer.
    pub(crate) fn ask(self, number: usize) -> Ask {
        let ask = Ask::of(&customer(number % CUSTOMERS));
        match self {
            Self::Direct => ask.at("/direct"),
            Self::Proxied => ask,
            Self::Model => Ask { prompt: Some(PROMPT.into()), ..ask },
        }
    }
}

fn customer(number: usize) -> String {
    format!("customer-{number:03}")
}

/// A running Envoy with its limiter.
#[derive(Debug)]
pub(crate) struct Arm {
    kind: Kind,
    pub(crate) envoy: Envoy,
    pub(crate) client: Client,
}

impl Arm {
    pub(crate) async fn start(
        kind: Kind,
        root: &Path,
        upstream: SocketAddr,
        forecaster: SocketAddr,
    ) -> Result<Self> {
        let folder = folder::within(root, &format!("{kind:?}").to_lowercase())?;
        let mut extra = Extra {
            routes: "              - match: { prefix: /direct }\n                direct_response: { status: 200 }\n".into(),
            ..Extra::default()
        };
        if let Some(text) = kind.text() {
            extra = extra.filtering("filter", text, &folder)?;
        }
        let config = EnvoyConfig {
            admin: ports::free()?,
            upstream,
            listeners: vec![Listener {
                name: INGRESS.into(),
                listen: ports::free()?,
                limiter: limiter(kind, forecaster)?,
                access_log: None,
            }],
            extra,
        };
        let envoy = Envoy::start(&Binaries::find_envoy()?, &config, &folder).await?;
        let arm = Self { kind, client: Client::new(envoy.listen()), envoy };
        let first = arm.client.ask(&Route::Proxied.ask(0)).await?;
        ensure!(first.admitted(), "{}: {first:?}", kind.name());
        if kind.is_ours() {
            let what = format!("a table for {}", kind.name());
            wait::until(&what, SOON, || async {
                Ok(Some(arm.envoy.stats().await?.plugin(TABLE_EPOCH)).filter(|epoch| *epoch > 0))
            })
            .await?;
        }
        Ok(arm)
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }
}

fn limiter(kind: Kind, forecaster: SocketAddr) -> Result<Limiter> {
    let bucket = TokenBucket { rate_per_s: PLENTY, burst: PLENTY };
    let customers = (0..CUSTOMERS).map(|number| (customer(number), bucket)).collect();
    Ok(match kind {
        Kind::Nobody | Kind::Noop | Kind::Calls => Limiter::Nobody,
        Kind::Local => Limiter::Local(LocalLimit { others: bucket, customers: Vec::new() }),
        Kind::LocalCustomers => Limiter::Local(LocalLimit { others: bucket, customers }),
        Kind::Shadow | Kind::Enforcing | Kind::RateLimit | Kind::Llm => Limiter::Tidegate(Plugin {
            name: "tidegate".into(),
            module: if kind == Kind::Llm { Binaries::find_llm_plugin()? } else { Binaries::find_plugin()? },
            configuration: configuration(kind),
            cluster: "tidegate".into(),
            forecaster,
            sees_bodies: kind == Kind::Llm,
        }),
    })
}

fn configuration(kind: Kind) -> Value {
    let cost = match kind {
        Kind::Llm => json!({ "llm": { "bytes_per_token": 4, "default_output": 50 } }),
        _ => json!(1),
    };
    json!({
        "mode": if kind == Kind::Shadow { "shadow" } else { "enforce" },
        "proxy": format!("bench-{kind:?}"),
        "key": [{ "header": "x-customer" }],
        "resources": { "requests": { "cost": cost, "safe_capacity_per_s": PLENTY, "safe_burst": PLENTY } },
        "forecaster": { "cluster": "tidegate", "token": TOKEN },
        "ratelimit_headers": kind == Kind::RateLimit,
    })
}

/// A forecaster that gives every customer a contract and more than it asks for.
pub(crate) async fn market(binary: &Path, root: &Path) -> Result<Forecaster> {
    let folder = folder::within(root, "forecaster")?;
    let plenty = f64::from(PLENTY);
    let config = ForecasterConfig {
        listen: ports::free()?,
        token: Some(TOKEN.into()),
        report_interval_s: 1.0,
        forecast: Forecast { step_s: 10, horizon_steps: 15, season_s: 600 },
        resources: vec![Resource {
            name: "requests".into(),
            capacity_per_s: plenty,
            burst: u64::from(PLENTY),
            reservable_share: Some(0.5),
        }],
        tiers: vec![Tier {
            name: "gold",
            weight: 4,
            floor: 0.0,
            risk_quantile: 0.8,
            max_delay_ms: 0,
            contract: vec![("requests", Bucket { rate_per_s: plenty, burst: u64::from(PLENTY) })],
        }],
        default_tier: "gold",
        customers: (0..CUSTOMERS).map(|number| Customer { key: customer(number), tier: "gold" }).collect(),
    };
    Forecaster::start(binary, &config, &folder).await
}
