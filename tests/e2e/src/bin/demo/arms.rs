//! The limiters that the story compares: two of Envoy's own, tuned with hindsight, and Tidegate without and with foresight.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use tidegate_e2e::{
    arena::{ArmKind, ArmPlan, Proxy},
    envoy::{LocalLimit, TokenBucket},
    forecaster::{self, Bucket, Forecast, ForecasterConfig, Resource},
    hindsight::{self, Refusals, Request},
    ports,
    story::Story,
    trace::REQUESTS,
};

use crate::script::{REPORT_INTERVAL, STEP, TIDEGATE, TOKEN, plugin};

/// Envoy's limiter with a bucket per customer.
pub(crate) const STATIC: &str = "static";
/// Envoy's limiter with one bucket.
pub(crate) const GLOBAL: &str = "global";
/// Tidegate without foresight.
pub(crate) const REACTIVE: &str = "reactive";

/// What Tidegate's arms are called where they run through a gateway beside those that run through Envoy.
pub(crate) const BESIDE: [(&str, &str); 2] = [(REACTIVE, "reactive-gateway"), (TIDEGATE, "tidegate-gateway")];

/// What carries the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    /// Envoy.
    Envoy,
    /// The example gateway, which has no limiters of Envoy's own.
    Gateway,
    /// Both at once.
    Both,
}

/// The part of the capacity that forecasts may reserve in the arm with foresight.
const RESERVABLE_SHARE: f64 = 0.8;

/// For whom no request was foreseen.
const STRANGERS: TokenBucket = TokenBucket { rate_per_s: 1, burst: 1 };

/// Limits that were chosen with hindsight.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tuned {
    /// Whose they are, requests per second, burst.
    pub(crate) limits: Vec<(String, u32, u32)>,
    /// What they refuse, by tier, according to the simulation in which they were chosen.
    pub(crate) simulated_refusals: Vec<u32>,
}

/// All arms for a seed. The native ones are tuned on its first `time` of traffic, of which `learning` does not count.
pub(crate) fn all(
    story: &Story,
    seed: u64,
    learning: Duration,
    time: Duration,
    through: Through,
) -> Result<Vec<(ArmPlan, Option<Tuned>)>> {
    let [(reactive, reactive_beside), (ours, ours_beside)] = BESIDE;
    let mut arms = match through {
        Through::Envoy => native(story, seed, learning, time),
        Through::Gateway | Through::Both => Vec::new(),
    };
    let proxy = if through == Through::Gateway { Proxy::Gateway } else { Proxy::Envoy };
    let mut add = |name, share, proxy| -> Result<()> {
        arms.push((tidegate(story, name, Some(share), proxy)?, None));
        Ok(())
    };
    add(reactive, 0.0, proxy)?;
    add(ours, RESERVABLE_SHARE, proxy)?;
    if through == Through::Both {
        add(reactive_beside, 0.0, Proxy::Gateway)?;
        add(ours_beside, RESERVABLE_SHARE, Proxy::Gateway)?;
    }
    Ok(arms)
}

/// Limiters of Envoy's own.
fn native(story: &Story, seed: u64, learning: Duration, time: Duration) -> Vec<(ArmPlan, Option<Tuned>)> {
    let arrivals = story.arrivals(seed).take_while(|one| one.at <= time);
    let requests: Vec<Request> =
        arrivals.map(|one| Request { at: one.at, who: one.who, counts: one.at >= learning }).collect();
    let rank = |name| story.tiers.iter().position(|tier| tier.name == name).unwrap_or_default();
    let tiers: Vec<usize> = story.customers.iter().map(|one| rank(one.tier)).collect();
    let budget = TokenBucket { rate_per_s: story.capacity_per_s, burst: story.burst };

    let apart = hindsight::per_customer(&requests, &tiers, budget);
    let customers: Vec<(String, TokenBucket)> =
        story.customers.iter().map(|one| one.key.to_owned()).zip(apart.limits).collect();
    let tuned_apart = tuned(customers.clone(), apart.refusals);
    let together = hindsight::for_all(&requests, &tiers, budget);
    let tuned_together = tuned(vec![("everybody".into(), together.limits)], together.refusals);
    let local = |name, limit| ArmPlan { name, kind: ArmKind::Local(limit) };
    vec![
        (local(STATIC, LocalLimit { others: STRANGERS, customers }), Some(tuned_apart)),
        (local(GLOBAL, LocalLimit { others: together.limits, customers: Vec::new() }), Some(tuned_together)),
    ]
}

fn tuned(limits: Vec<(String, TokenBucket)>, refusals: Refusals) -> Tuned {
    let limits = limits.into_iter().map(|(whose, limit)| (whose, limit.rate_per_s, limit.burst)).collect();
    Tuned { limits, simulated_refusals: refusals.0 }
}

fn tidegate(
    story: &Story,
    name: &'static str,
    reservable_share: Option<f64>,
    proxy: Proxy,
) -> Result<ArmPlan> {
    let resources = json!({
        REQUESTS: { "cost": 1, "safe_capacity_per_s": story.safe_capacity_per_s, "safe_burst": story.burst }
    });
    let tier = |tier: &tidegate_e2e::story::Tier| forecaster::Tier {
        name: tier.name,
        weight: tier.weight,
        floor: tier.floor,
        risk_quantile: tier.risk_quantile,
        max_delay_ms: 0,
        contract: vec![(
            REQUESTS,
            Bucket { rate_per_s: tier.contract.rate_per_s, burst: tier.contract.burst },
        )],
    };
    let customer =
        |one: &tidegate_e2e::story::Customer| forecaster::Customer { key: one.key.into(), tier: one.tier };
    let forecaster = ForecasterConfig {
        listen: ports::free()?,
        token: Some(TOKEN.into()),
        report_interval_s: REPORT_INTERVAL.as_secs_f64(),
        forecast: Forecast { step_s: STEP.as_secs() as u32, horizon_steps: 15, season_s: story.day_s },
        resources: vec![Resource {
            name: REQUESTS.into(),
            capacity_per_s: story.capacity_per_s.into(),
            burst: story.burst.into(),
            reservable_share,
        }],
        tiers: story.tiers.iter().map(tier).collect(),
        default_tier: story.tiers.last().map_or("bronze", |tier| tier.name),
        customers: story.customers.iter().map(customer).collect(),
    };
    let plugin = plugin(name, &resources);
    Ok(ArmPlan { name, kind: ArmKind::Tidegate { plugin, forecaster: Box::new(forecaster), proxy } })
}
