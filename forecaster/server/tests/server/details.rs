//! Reports that tell more than counters: what becomes of it, and that those without are as good as before.

use prost::Message;
use tidegate_core::sync::Kind;
use tidegate_proto::{DetailedReport, Details, Load, Part, Spread, bucket_of};
use tonic::Code;

use crate::rig::{Forecaster, INTERVAL_MS, STEP_MS, hello, now_ms, report};

/// Forty requests of acme in a window, three quarters of them from the west.
fn detailed(seq: u64, window_start_ms: u64) -> DetailedReport {
    let part = |name: &str, requests| Part { name: name.to_owned(), requests, tokens: requests };
    let spread =
        |values: [u64; 3]| Some(Spread { buckets: values.map(bucket_of).to_vec(), counts: vec![30, 8, 2] });
    let details = Details {
        window_start_ms,
        regions: vec![part("west", 30), part("east", 10)],
        account_types: vec![part("trial", 40)],
        client_versions: vec![part("sdk/1", 10), part("sdk/2", 30)],
        cpu_us: spread([1000, 5000, 90_000]),
        duration_ms: spread([12, 40, 900]),
        ..Details::default()
    };
    DetailedReport {
        report: report(1, seq, "acme", window_start_ms, 40).encode().into(),
        details: vec![details],
        loads: vec![Load { resource: 0, window_start_ms, permille: 400, samples: 1 }],
    }
}

#[tokio::test]
async fn what_reports_tell_beside_counters_is_learned_shown_and_survives_a_restart() {
    let forecaster = Forecaster::start().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    let mut window = now_ms() / STEP_MS * STEP_MS + STEP_MS;
    for seq in 1..=20 {
        tokio::time::sleep(std::time::Duration::from_millis(window.saturating_sub(now_ms()))).await;
        proxy.report_bytes(detailed(seq, window).encode_to_vec(), (1, seq)).await;
        // Sent again it counts once.
        proxy.report_bytes(detailed(seq, window).encode_to_vec(), (1, seq)).await;
        window += INTERVAL_MS;
    }
    tokio::time::sleep(std::time::Duration::from_millis(2 * STEP_MS)).await;

    let profile = forecaster.json("/predictUsage?key=acme").await["profile"].clone();
    let shares = |of: &str| -> Vec<(String, f64)> {
        let shares = profile[of].as_array().unwrap();
        shares
            .iter()
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["share"].as_f64().unwrap()))
            .collect()
    };
    assert_eq!(shares("regions"), [("west".to_owned(), 0.75), ("east".to_owned(), 0.25)]);
    assert_eq!(shares("client_versions"), [("sdk/2".to_owned(), 0.75), ("sdk/1".to_owned(), 0.25)]);
    assert_eq!(shares("account_types"), [("trial".to_owned(), 1.0)]);
    let cpu = |level: &str| profile["cpu_us"][level].as_f64().unwrap();
    for (level, value) in [("p50", 1000.0), ("p90", 5000.0), ("p99", 90_000.0)] {
        assert!((cpu(level) / value - 1.0).abs() < 0.07, "{profile:#}");
    }
    assert!((cpu("requests") - 800.0).abs() < 1.0, "{profile:#}");
    assert!(profile["memory_bytes"].is_null(), "nobody told");

    let regions = forecaster.json("/v1/regions?resource=requests").await;
    let names: Vec<&str> =
        regions["regions"].as_array().unwrap().iter().map(|one| one["region"].as_str().unwrap()).collect();
    assert_eq!(names, ["east", "west"]);
    let mean = |of: &serde_json::Value| of[0]["mean"].as_f64().unwrap();
    let (east, west) = (mean(&regions["regions"][0]["steps"]), mean(&regions["regions"][1]["steps"]));
    let total = mean(&regions["total"]);
    assert!((east + west - total).abs() < 0.01 && total > 40.0, "{east} and {west} of {total}");
    assert!((0.7..0.8).contains(&(west / total)), "{east} and {west} of {total}");
    let explanation = forecaster.json("/v1/explain?key=acme").await;
    let sentences = explanation["sentences"].to_string();
    assert!(sentences.contains("they come from west (75 %), east (25 %)"), "{sentences}");
    assert!(sentences.contains("µs of CPU time"), "{sentences}");
    assert_eq!(forecaster.metric("tidegate_details_total").await, 20);
    assert_eq!(forecaster.metric("tidegate_profiled_keys").await, 1);
    let metrics = forecaster.text("/metrics").await;
    assert!(metrics.contains("tidegate_region_forecast{resource=\"requests\",region=\"west\"}"), "{metrics}");
    let takes = "tidegate_request_takes{resource=\"requests\",of=\"duration_ms\",quantile=\"0.5\"} 12";
    assert!(metrics.contains(takes), "{metrics}");

    let folder = forecaster.kill();
    let forecaster = Forecaster::start_in(folder).await;
    let again = forecaster.json("/v1/explain?key=acme").await["resources"][0]["profile"].clone();
    for field in ["account_types", "client_versions", "cpu_us", "duration_ms"] {
        assert_eq!(again[field]["p99"], profile[field]["p99"], "{field}");
        assert_eq!(again[field].is_null(), profile[field].is_null(), "{field}");
    }
    assert_eq!(again["client_versions"], profile["client_versions"]);
}

#[tokio::test]
async fn details_that_break_a_limit_end_the_stream_and_count_nothing() {
    let forecaster = Forecaster::start().await;
    let window = now_ms() / INTERVAL_MS * INTERVAL_MS;
    let mut nameless = detailed(1, window);
    nameless.details[0].key = 7;
    let mut crowded = detailed(1, window);
    crowded.details[0].regions =
        (0..9).map(|number| Part { name: number.to_string(), ..Part::default() }).collect();
    for message in [nameless, crowded] {
        let proxy = forecaster.connect(hello(1)).await.unwrap();
        proxy.send(Kind::Report, message.encode_to_vec()).await;
        assert_eq!(proxy.end().await, Code::InvalidArgument);
    }
    assert_eq!(forecaster.offered("acme").await, 0);
    assert!(forecaster.text("/metrics").await.contains("tidegate_reports_total{result=\"malformed\"} 2"));
    let unknown = forecaster.status("/v1/regions?resource=nothing").await.unwrap();
    assert_eq!(unknown, 400);
}
