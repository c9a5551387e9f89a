//! Forecasters that start on a past: what they have learned of it at once.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_store::{Counters, NewReport, Store, WindowUsage};

use crate::rig::{Forecaster, now_ms};

const SECOND_MS: u64 = 1000;
/// Two seasons, as many as are learned again.
const PAST_S: u64 = 600;
const EVERY_S: u64 = 90;
const LENGTH_S: u64 = 8;

/// A database in which acme has asked for so much in each second before `now_s`, and a configuration beside it.
async fn past(now_s: u64, forecast: &str, demand: impl Fn(u64) -> u64) -> TempDir {
    let folder = TempDir::new().unwrap();
    let config = format!(
        "listen: 127.0.0.1:0\nreport_interval_s: 1\nresources: {{ requests: {{ capacity_per_s: 900, burst: 900 }} }}\n\
         tiers: {{ gold: {{}} }}\ncustomers: {{ acme: {{ tier: gold }} }}\n\
         forecast:\n  step_s: 1\n  season_s: 300\n  horizon_steps: 64\n{forecast}"
    );
    std::fs::write(folder.path().join("tidegate.yaml"), config).unwrap();
    let window = |second: u64| {
        let offered = demand(second);
        let counters = Counters {
            requests_offered: offered,
            offered,
            opportunistic: offered,
            largest: 1,
            ..Counters::default()
        };
        let (key, resource) = ("acme".to_owned(), "requests".to_owned());
        WindowUsage { key, resource, window_start_ms: second * SECOND_MS, counters }
    };
    let store = Store::open(&folder.path().join("tidegate.db")).await.unwrap();
    let report = NewReport {
        proxy: "edge-1".to_owned(),
        boot: 1,
        seq: 1,
        received_at_ms: now_ms(),
        windows: (now_s - PAST_S..now_s).map(window).collect(),
        details: Vec::new(),
        loads: Vec::new(),
        wishes: Vec::new(),
    };
    store.record(&[report]).await.unwrap();
    store.close().await;
    folder
}

/// The second that a step begins in, and its mean.
fn step(view: &Value) -> (u64, f64) {
    let at: jiff::Timestamp = view["starts_at"].as_str().unwrap().parse().unwrap();
    (at.as_second() as u64, view["mean"].as_f64().unwrap())
}

#[tokio::test]
async fn a_recurring_event_of_the_calendar_is_expected_the_next_time() {
    let now_s = now_ms() / SECOND_MS;
    // The next is twenty seconds away, whenever the test runs.
    let first_s = now_s + 20 - 6 * EVERY_S;
    let goes_on = |second: u64| second >= first_s && (second - first_s) % EVERY_S < LENGTH_S;
    // Never at the same time of the season, so that nothing but the calendar tells.
    let demand = |second: u64| if goes_on(second) { 300 } else { 100 + second % 3 };
    let starts_at = jiff::Timestamp::from_second(first_s as i64).unwrap();
    let events = format!(
        "  events:\n    sale:\n      starts_at: {starts_at}\n      duration_s: {LENGTH_S}\n      every_s: {EVERY_S}\n      customers: [acme]\n"
    );
    let mut means = Vec::new();
    for more in [events.as_str(), ""] {
        let forecaster = Forecaster::start_in(past(now_s, more, demand).await).await;
        // Ready is who has learned; the first plan comes just after.
        let steps = loop {
            let prediction = forecaster.json("/predictUsage?key=acme").await;
            let steps: Vec<(u64, f64)> = prediction["steps"].as_array().unwrap().iter().map(step).collect();
            if steps.len() == 64 {
                break steps;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let during: Vec<f64> =
            steps.iter().filter(|(second, _)| goes_on(*second)).map(|(_, mean)| *mean).collect();
        let before: Vec<f64> = steps
            .iter()
            .filter(|(second, _)| (first_s + 10 * EVERY_S - second) % EVERY_S < 5 && !goes_on(*second))
            .map(|(_, mean)| *mean)
            .collect();
        means.push((during, before, steps));
    }
    let [(during, before, steps), (without, ..)] = &means[..] else { panic!("two were asked") };
    assert_eq!((during.len() as u64, before.is_empty()), (LENGTH_S, false), "{steps:?}");
    assert!(during.iter().all(|mean| *mean > 200.0), "{during:?} in the event, of {steps:?}");
    assert!(before.iter().all(|mean| *mean < 150.0), "{before:?} just before, of {steps:?}");
    assert!(without.iter().all(|mean| *mean < 150.0), "{without:?} where nobody told");
}

#[tokio::test]
async fn what_all_keys_have_taught_survives_a_restart_after_their_usage_is_gone() {
    let now_s = now_ms() / SECOND_MS;
    let folder = past(now_s, "  model: lstm-global\n", |second| 100 + 100 * (second % 2)).await;
    let schooled = async |forecaster: &Forecaster, least: u64| {
        for _ in 0..500 {
            let steps = forecaster.metric("tidegate_schooled_steps").await;
            if steps >= least {
                return steps;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("of {least} steps only {}", forecaster.metric("tidegate_schooled_steps").await);
    };
    let forecaster = Forecaster::start_in(folder).await;
    let before = schooled(&forecaster, PAST_S - 2).await;
    let folder = forecaster.kill();
    // As after retention_days: nothing is left to learn it from again.
    let path = folder.path().join("tidegate.db");
    let store = Store::open(&path).await.unwrap();
    store.delete_before(now_ms() + 1_000_000).await.unwrap();
    store.close().await;
    let forecaster = Forecaster::start_in(folder).await;
    schooled(&forecaster, before).await;
    assert!(schooled(&forecaster, before).await < before + PAST_S / 2, "it was not learned twice");

    // Another model has no use for it, and says so.
    let folder = forecaster.kill();
    let config = folder.path().join("tidegate.yaml");
    let text = std::fs::read_to_string(&config).unwrap().replace("lstm-global", "transformer-global");
    std::fs::write(&config, text).unwrap();
    let forecaster = Forecaster::start_in(folder).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(forecaster.metric("tidegate_schooled_steps").await < before, "it begins anew");
}

#[tokio::test]
async fn heavy_models_are_tried_within_their_budget_and_counted() {
    let now_s = now_ms() / SECOND_MS;
    let demand = |second: u64| 200 + second * 7919 % 101;
    let folder = past(now_s, "  model: auto\n  heavy_share: 0.5\n  heavy_keys: 1\n", demand).await;
    let forecaster = Forecaster::start_in(folder).await;
    let tried = async {
        loop {
            let metrics = forecaster.text("/metrics").await;
            let trials = metrics.lines().filter(|line| line.starts_with("tidegate_heavy_trials_total{"));
            if trials.count() > 0 {
                return metrics;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let metrics = tokio::time::timeout(Duration::from_secs(60), tried).await.unwrap();
    let figure = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing: {metrics}")).parse().unwrap()
    };
    assert!(figure("tidegate_heavy_seconds_total") > 0.0);
    assert!(figure("tidegate_heavy_series") <= 1.0);
}
