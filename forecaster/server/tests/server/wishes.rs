//! What more capacity would have served: from reports to what is expected to be missing.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_core::report::{Report, Wish};

use crate::rig::{Forecaster, INTERVAL_MS, Proxy, STEP_MS, hello, now_ms, report};

const CONFIG: &str = r#"
listen: 127.0.0.1:0
token: "open sesame"
report_interval_s: 0.1
forecast: { step_s: 0.2, horizon_steps: 10, season_s: 0.8 }
resources: { requests: { capacity_per_s: 100, burst: 100 }, slots: { kind: held, burst: 9 } }
tiers: { gold: { weight: 8 }, bronze: { weight: 1, scales: false } }
default_tier: bronze
customers: { acme: { tier: gold } }
"#;

/// Fifteen of twenty-five were refused in a window, two waited, and one of a resource that nobody has configured.
fn wishing(seq: u64, window_start_ms: u64) -> Report {
    Report {
        resources: vec!["requests".to_owned(), "gpus".to_owned()],
        wishes: vec![
            Wish { resource: 0, refused: 15, delayed: 2 },
            Wish { resource: 1, refused: 1, delayed: 0 },
        ],
        ..report(1, seq, "acme", window_start_ms, 25)
    }
}

async fn wish_for_steps(proxy: &mut Proxy, steps: u64) -> u64 {
    let mut window = now_ms() / STEP_MS * STEP_MS + STEP_MS;
    let reports = steps * STEP_MS / INTERVAL_MS;
    for seq in 1..=reports {
        tokio::time::sleep(Duration::from_millis(window.saturating_sub(now_ms()))).await;
        proxy.report(&wishing(seq, window)).await;
        // Sent again it counts once.
        proxy.report(&wishing(seq, window)).await;
        window += INTERVAL_MS;
    }
    reports
}

/// Asks until a shortage is expected of every step, since the newest step may have been one of silence, and there may be
/// no plan yet.
async fn short_steps(forecaster: &Forecaster) -> Value {
    for _ in 0..50 {
        let answer = forecaster.get("/resourceAvailability").await;
        if answer.status() == 503 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let availability: Value = answer.json().await.unwrap();
        let requests = &availability["resources"][0];
        if requests["steps"][0]["expected_shortage_per_s"].as_f64().unwrap() > 0.0 {
            return availability;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no shortage is expected: {:#}", forecaster.json("/resourceAvailability").await);
}

#[tokio::test]
async fn wishes_count_once_are_expected_again_and_survive_a_restart() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("tidegate.yaml"), CONFIG).unwrap();
    let forecaster = Forecaster::start_in(folder).await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    let reports = wish_for_steps(&mut proxy, 12).await;

    let metrics = forecaster.text("/metrics").await;
    for (result, each) in [("refused", 15), ("delayed", 2)] {
        let tokens = reports * each;
        let line =
            format!("tidegate_wished_tokens_total{{resource=\"requests\",result=\"{result}\"}} {tokens}");
        assert!(metrics.contains(&line), "{line} is missing: {metrics}");
    }
    assert!(!metrics.contains("gpus"), "a name that nobody configured is no label");
    let wanted = "tidegate_wanted_capacity_per_s{resource=\"requests\"} ";
    let wanted = metrics.lines().find_map(|line| line.strip_prefix(wanted)).unwrap();
    assert!((100.0..=251.0).contains(&wanted.parse::<f64>().unwrap()), "{wanted}");
    assert!(!metrics.contains("tidegate_wanted_capacity_per_s{resource=\"slots\"}"), "{metrics}");

    let folder = forecaster.kill();
    let forecaster = Forecaster::start_in(folder).await;
    let availability = short_steps(&forecaster).await;
    let [requests, slots] = &availability["resources"].as_array().unwrap()[..] else { panic!("two") };
    assert_eq!(requests["wished"]["refused"], reports * 15, "{requests:#}");
    for step in requests["steps"].as_array().unwrap() {
        let shortage = step["expected_shortage_per_s"].as_f64().unwrap();
        let wanted = step["wanted_capacity_per_s"].as_f64().unwrap();
        // Fifteen in a tenth of a second.
        assert!((0.0..=151.0).contains(&shortage) && (wanted - shortage - 100.0).abs() < 0.01, "{step}");
    }
    assert_eq!(
        (&slots["wished"]["refused"], &slots["steps"][0]["wanted_capacity_per_s"]),
        (&0.into(), &Value::Null)
    );

    for (key, counts, says) in
        [("acme", true, "gold is refused within its contract counts"), ("nobody", false, "`scales: false`")]
    {
        let explanation = forecaster.json(&format!("/v1/explain?key={key}")).await;
        let wished = &explanation["resources"][0]["wished"];
        assert_eq!((&wished["delayed"], &wished["counts"]), (&(reports * 2).into(), &counts.into()));
        assert!(explanation["resources"][1]["wished"].is_null(), "{explanation:#}");
        let sentences = explanation["sentences"].to_string();
        assert!(sentences.contains(says), "{sentences}");
    }
}
