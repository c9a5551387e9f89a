//! A request log as the demo: the same requests at the same distances, `--speed` times closer together.
//!
//! Nothing is known about who sent the log, so there is one tier without contracts, and of each resource there is a
//! little more than the log uses on average: its bursts are what gets refused.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use tidegate_e2e::{
    arena::{ArmKind, ArmPlan, Proxy},
    forecaster::{Forecast, ForecasterConfig, Resource, Tier},
    load::{Arrival, Ask, Limits},
    ports,
    trace::{Entry, REQUESTS, Trace},
};

use crate::{
    cast::Cast,
    script::{REPORT_INTERVAL, STEP, Script, TIDEGATE, TOKEN, plugin},
};

const TIER: &str = "standard";
const HEADROOM: f64 = 1.3;
const BURST_S: f64 = 3.0;
const HOUR_S: f64 = 3600.0;
const AT_MOST: Duration = Duration::from_secs(6 * 3600);
const MOST_KEYS: usize = 10_000;

/// The replay of a log.
pub(crate) fn script(path: &Path, speed: f64, once: bool, proxy: Proxy) -> Result<Script> {
    let trace = Trace::open(path)?;
    let time = trace.length().div_f64(speed);
    ensure!(
        time <= AT_MOST,
        "the replay would take {:.1} hours: give a higher --speed",
        time.as_secs_f64() / HOUR_S
    );
    let keys: Vec<String> = trace.keys().into_iter().map(str::to_owned).collect();
    ensure!(keys.len() <= MOST_KEYS, "{} keys are more than the {MOST_KEYS} that can be shown", keys.len());
    let budgets = budgets(&trace, time);
    let settled = trace.costly_resources().into_iter().map(|name| (name.to_owned(), suffix(name))).collect();
    let watched = trace.costly_resources().into_iter().next().unwrap_or(REQUESTS).to_owned();
    let plugin = plugin(TIDEGATE, &plugin_resources(&budgets));
    let forecaster = Box::new(forecaster(&budgets, speed)?);
    Ok(Script {
        title: title(path, &trace, speed, time, &budgets),
        folder: String::new(),
        arms: vec![ArmPlan { name: TIDEGATE, kind: ArmKind::Tidegate { plugin, forecaster, proxy } }],
        tuned: vec![None],
        budget: None,
        cast: keys.iter().map(|key| Cast { key: key.clone(), tier: TIER, what: "as in the log" }).collect(),
        limits: Limits { concurrency: 1024, requests: trace.entries.len(), time: time + STEP },
        schedule: Box::new(schedule(trace, keys, speed)),
        learning: Duration::ZERO,
        judged_after: None,
        watched,
        settled,
        once,
    })
}

/// Underscores in header names are legal and often dropped.
fn suffix(resource: &str) -> String {
    resource.replace('_', "-")
}

struct Budget {
    name: String,
    capacity_per_s: f64,
    burst: u64,
}

fn budgets(trace: &Trace, time: Duration) -> Vec<Budget> {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let seconds = time.as_secs_f64().max(1.0);
    for entry in &trace.entries {
        let (sum, largest) = sums.entry(&entry.resource).or_default();
        *sum += entry.actual;
        *largest = entry.cost.max(entry.actual).max(*largest);
    }
    sums.insert(REQUESTS, (trace.entries.len() as u64, 1));
    let budget = |(name, (sum, largest)): (&str, (u64, u64))| {
        let capacity_per_s = (HEADROOM * sum as f64 / seconds).ceil().max(1.0);
        let burst = ((BURST_S * capacity_per_s) as u64).max(4 * largest);
        Budget { name: name.to_owned(), capacity_per_s, burst }
    };
    sums.into_iter().map(budget).collect()
}

fn plugin_resources(budgets: &[Budget]) -> Value {
    let resource = |budget: &Budget| {
        let mut rule = json!({
            "cost": 1, "safe_capacity_per_s": budget.capacity_per_s, "safe_burst": budget.burst
        });
        if let Some(rule) = rule.as_object_mut().filter(|_| budget.name != REQUESTS) {
            let suffix = suffix(&budget.name);
            rule.insert("cost".into(), json!({ "header": format!("x-cost-{suffix}"), "default": 0 }));
            rule.insert("settle".into(), json!({ "response_header": format!("x-total-{suffix}") }));
        }
        (budget.name.clone(), rule)
    };
    Value::Object(budgets.iter().map(resource).collect::<Map<_, _>>())
}

fn forecaster(budgets: &[Budget], speed: f64) -> Result<ForecasterConfig> {
    let resource = |budget: &Budget| Resource {
        name: budget.name.clone(),
        capacity_per_s: budget.capacity_per_s,
        burst: budget.burst,
        reservable_share: None,
    };
    let hour_s = (HOUR_S / speed).clamp(10.0, HOUR_S).round() as u32;
    Ok(ForecasterConfig {
        listen: ports::free()?,
        token: Some(TOKEN.into()),
        report_interval_s: REPORT_INTERVAL.as_secs_f64(),
        forecast: Forecast { step_s: STEP.as_secs() as u32, horizon_steps: 15, season_s: hour_s },
        resources: budgets.iter().map(resource).collect(),
        tiers: vec![Tier {
            name: TIER,
            weight: 1,
            floor: 0.0,
            risk_quantile: 0.8,
            max_delay_ms: 0,
            contract: Vec::new(),
        }],
        default_tier: TIER,
        customers: Vec::new(),
    })
}

fn title(path: &Path, trace: &Trace, speed: f64, time: Duration, budgets: &[Budget]) -> Vec<String> {
    let count = trace.entries.len();
    let mut lines = vec![format!(
        "Replay of {}: {count} requests of {} keys over {:.0} s, {speed} times faster: {:.0} s.",
        path.display(),
        trace.keys().len(),
        trace.length().as_secs_f64(),
        time.as_secs_f64()
    )];
    for Budget { name, capacity_per_s, burst } in budgets {
        lines.push(format!(
            "Capacity of {name}: {capacity_per_s} per second, {HEADROOM} times what the log uses on average; burst {burst}."
        ));
    }
    lines
}

fn schedule(trace: Trace, keys: Vec<String>, speed: f64) -> impl Iterator<Item = Arrival> + Send {
    trace.entries.into_iter().filter_map(move |entry| {
        let who = keys.binary_search(&entry.key).ok()?;
        Some(Arrival { at: entry.at.div_f64(speed), who, ask: ask(entry) })
    })
}

fn ask(entry: Entry) -> Ask {
    let ask = Ask { class: entry.class, ..Ask::of(&entry.key) };
    if entry.resource == REQUESTS {
        ask
    } else {
        ask.costing(&suffix(&entry.resource), entry.cost, entry.actual)
    }
}
