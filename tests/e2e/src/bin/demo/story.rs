//! The story: four customers share one Envoy, their day lasts a minute, and at its peaks they want more than there is.

use std::{cmp::Reverse, collections::BinaryHeap, f64::consts::TAU, time::Duration};

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::{
    forecaster::{Bucket, Customer, Forecast, ForecasterConfig, Resource, Tier},
    load::{Arrival, Arrivals, Ask, Limits, Random},
    ports,
    trace::REQUESTS,
};

use crate::{
    cast::Cast,
    script::{REPORT_INTERVAL, STEP, Script, TOKEN, plugin},
};

const DAY: Duration = Duration::from_secs(60);
const MEASURED: Duration = Duration::from_secs(75);
const AT_MOST: Duration = Duration::from_secs(3600);
const CAPACITY_PER_S: u32 = 100;
const SAFE_CAPACITY_PER_S: u32 = 80;
const BURST: u64 = 60;
const SEED: u64 = 2026;

struct Character {
    key: &'static str,
    tier: &'static str,
    class: Option<&'static str>,
    what: &'static str,
    rate_per_s: fn(f64) -> f64,
    highest_per_s: f64,
}

const CHARACTERS: [Character; 4] = [
    Character {
        key: "acme",
        tier: "gold",
        class: None,
        what: "rises and falls with the day: 5 to 75 requests/s",
        rate_per_s: |now| 40.0 + 35.0 * (TAU * now / DAY.as_secs_f64()).sin(),
        highest_per_s: 75.0,
    },
    Character {
        key: "health",
        tier: "gold",
        class: Some("critical"),
        what: "a steady 5 requests/s that somebody's health depends on",
        rate_per_s: |_| 5.0,
        highest_per_s: 5.0,
    },
    Character {
        key: "globex",
        tier: "silver",
        class: None,
        what: "grows all the time: from 12 to 45 requests/s",
        rate_per_s: |now| (12.0 + 0.15 * now).min(45.0),
        highest_per_s: 45.0,
    },
    Character {
        key: "batch",
        tier: "bronze",
        class: Some("deferrable"),
        what: "idle, then a flood of 120 requests/s for some ten seconds, when nobody expects it",
        rate_per_s: |now| if flooding(now) { 120.0 } else { 1.0 },
        highest_per_s: 120.0,
    },
];

/// The story; `seconds` shortens it to so much traffic in all, half of it for learning.
pub(crate) fn script(once: bool, seconds: Option<u64>) -> Result<Script> {
    let shortened = seconds.map(Duration::from_secs);
    let learning = shortened.map_or(DAY, |all| all / 2);
    let time = if once { shortened.unwrap_or(DAY + MEASURED) } else { AT_MOST };
    let resources = json!({
        REQUESTS: { "cost": 1, "safe_capacity_per_s": SAFE_CAPACITY_PER_S, "safe_burst": BURST }
    });
    Ok(Script {
        title: title(time),
        folder: String::new(),
        plugin: plugin(&resources),
        forecaster: forecaster()?,
        cast: CHARACTERS
            .iter()
            .map(|one| Cast { key: one.key.into(), tier: one.tier, what: one.what })
            .collect(),
        schedule: Box::new(schedule()),
        limits: Limits { concurrency: 512, requests: 2_000_000, time },
        learning,
        watched: REQUESTS.into(),
        settled: Vec::new(),
        once,
    })
}

fn title(time: Duration) -> Vec<String> {
    let minutes = time.as_secs_f64() / 60.0;
    vec![
        format!(
            "Four customers share {CAPACITY_PER_S} requests/s behind one Envoy. At peaks they want twice as much."
        ),
        format!(
            "A day lasts {} s here. The traffic is made up; clocks, Envoy and decisions are real.",
            DAY.as_secs()
        ),
        format!(
            "First one day to learn, then the forecasts are judged; this takes {minutes:.1} minutes at most."
        ),
    ]
}

fn forecaster() -> Result<ForecasterConfig> {
    let contract = |rate_per_s, burst| vec![(REQUESTS, Bucket { rate_per_s, burst })];
    let tier =
        |name, weight, floor, risk_quantile, contract| Tier { name, weight, floor, risk_quantile, contract };
    Ok(ForecasterConfig {
        listen: ports::free()?,
        token: Some(TOKEN.into()),
        report_interval_s: REPORT_INTERVAL.as_secs_f64(),
        forecast: Forecast {
            step_s: STEP.as_secs() as u32,
            horizon_steps: 15,
            season_s: DAY.as_secs() as u32,
        },
        resources: vec![Resource {
            name: REQUESTS.into(),
            capacity_per_s: CAPACITY_PER_S.into(),
            burst: BURST,
        }],
        tiers: vec![
            tier("gold", 8, 0.0, 0.9, contract(100.0, 200)),
            tier("silver", 4, 0.1, 0.7, contract(50.0, 100)),
            tier("bronze", 1, 0.3, 0.5, contract(30.0, 60)),
        ],
        default_tier: "bronze",
        customers: CHARACTERS.iter().map(|one| Customer { key: one.key.into(), tier: one.tier }).collect(),
    })
}

/// One flood in each span of 35 seconds, somewhere in it.
fn flooding(now: f64) -> bool {
    const SPAN_S: f64 = 35.0;
    let span = (now / SPAN_S).floor();
    let mut random = Random::new(SEED + span as u64);
    let begins = 20.0 * random.unit();
    let lasts = 8.0 + 4.0 * random.unit();
    let since = now - span * SPAN_S - begins;
    (0.0..lasts).contains(&since)
}

/// The requests of all four, in order of time, without end.
fn schedule() -> impl Iterator<Item = Arrival> + Send {
    let mut sources: Vec<_> = (SEED..)
        .zip(&CHARACTERS)
        .map(|(seed, one)| Arrivals::new(one.rate_per_s, one.highest_per_s, seed))
        .collect();
    let mut next = BinaryHeap::new();
    for (who, source) in sources.iter_mut().enumerate() {
        next.extend(source.next().map(|at| Reverse((at, who))));
    }
    std::iter::from_fn(move || {
        let Reverse((at, who)) = next.pop()?;
        next.extend(sources.get_mut(who)?.next().map(|at| Reverse((at, who))));
        let character = CHARACTERS.get(who)?;
        Some(Arrival { at, who, ask: Ask { class: character.class, ..Ask::of(character.key) } })
    })
}
