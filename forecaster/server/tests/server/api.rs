//! The HTTP API over a forecaster that has learned something.

use std::time::Duration;

use serde_json::Value;

use crate::rig::{Forecaster, STEP_MS, hello, now_ms, report, use_for_steps};

#[tokio::test]
async fn what_was_used_is_predicted_and_survives_a_restart() {
    let forecaster = Forecaster::start().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    let started_ms = now_ms();
    use_for_steps(&mut proxy, 1, "acme", 20, 12).await;
    let prediction = forecaster.json("/predictUsage?key=acme&resource=requests").await;
    assert_eq!(prediction["tier"], "gold");
    assert_eq!((&prediction["model"], &prediction["season_steps"]), (&"auto".into(), &20.into()));
    let steps = prediction["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 10);
    let mix = &steps[0]["scenarios"];
    let whole: f64 = ["low", "medium", "high", "spike"].iter().map(|name| mix[name].as_f64().unwrap()).sum();
    assert!((whole - 1.0).abs() < 1e-3 && prediction["bounds"]["spike"].as_f64().unwrap() > 0.0, "{mix}");
    // Twelve steps of 40 requests, then maybe a silent one.
    assert!((30.0..=40.0).contains(&steps[0]["median"].as_f64().unwrap()), "{prediction:#}");
    for step in steps {
        let quantile = |level: &str| step["quantiles"][level].as_f64().unwrap();
        let levels = ["0.025", "0.1", "0.5", "0.9", "0.975"].map(quantile);
        assert!(levels.is_sorted() && levels[0] >= 0.0, "{step}");
    }
    let recent = prediction["recent"].as_array().unwrap();
    assert!(recent.iter().any(|past| past["actual"] == 40.0 && past["predicted"] == 40.0), "{prediction:#}");
    let observed = prediction["observed_steps"].as_u64().unwrap();
    assert!((9..=(now_ms() - started_ms) / STEP_MS + 1).contains(&observed), "{observed}");

    let folder = forecaster.kill();
    let forecaster = Forecaster::start_in(folder).await;
    let again = forecaster.json("/predictUsage?key=acme").await;
    // What the database knows is learned again; steps while nobody was there are gaps.
    assert!((6..=observed + 1).contains(&again["observed_steps"].as_u64().unwrap()), "{again:#}");
    assert!(!again["recent"].as_array().unwrap().is_empty());
    let hour = forecaster.json("/predictUsage?key=acme&resource=requests&horizon=1h").await;
    let sum: f64 = hour["steps"].as_array().unwrap().iter().map(|step| step["mean"].as_f64().unwrap()).sum();
    let hourly = hour["sums"]["hourly"][0]["mean"].as_f64().unwrap();
    assert!((sum - hourly).abs() <= 0.01 * hourly && hour["sums"]["daily"].is_null(), "{sum} and {hourly}");
}

#[tokio::test]
async fn late_usage_counts_but_is_not_learned() {
    let forecaster = Forecaster::start().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    proxy.report(&report(1, 1, "acme", now_ms() - 60_000, 9)).await;
    assert_eq!(forecaster.offered("acme").await, 9);
    tokio::time::sleep(Duration::from_millis(3 * STEP_MS)).await;
    assert_eq!(forecaster.get("/predictUsage?key=acme").await.status(), 404);
    assert!(forecaster.text("/metrics").await.contains("tidegate_late_windows_total 1"));
}

#[tokio::test]
async fn tiers_and_availability_are_told() {
    let forecaster = Forecaster::start().await;
    let tiers = forecaster.json("/investmentTiers").await;
    assert_eq!(tiers["default_tier"], "bronze");
    let gold = &tiers["tiers"][0];
    assert_eq!((&gold["name"], &gold["customers"]), (&"gold".into(), &2.into()));
    assert_eq!(gold["contract"]["requests"]["rate_per_s"], 300.0);

    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    use_for_steps(&mut proxy, 1, "acme", 20, 5).await;
    let availability = forecaster.json("/resourceAvailability").await;
    let requests = &availability["resources"][0];
    assert_eq!((&requests["resource"], &requests["burst"]), (&"requests".into(), &500.into()));
    let number = |step: &Value, name: &str| step[name].as_f64().unwrap();
    for step in requests["steps"].as_array().unwrap() {
        let guaranteed = number(step, "guaranteed_per_s");
        assert!((0.0..=400.0).contains(&guaranteed), "{step}");
        assert!((guaranteed + number(step, "unreserved_per_s") - 500.0).abs() < 0.01, "{step}");
        assert!(number(step, "demand_median_per_s") <= number(step, "demand_hi-80_per_s"), "{step}");
        assert!(number(step, "expected_headroom_per_s") <= 500.0, "{step}");
    }
}

#[tokio::test]
async fn a_key_is_explained_in_numbers_and_sentences() {
    let forecaster = Forecaster::start().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    use_for_steps(&mut proxy, 1, "globex", 3, 4).await;
    let table = proxy.table().await;
    proxy.ack(table.epoch, None).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let explanation = forecaster.json("/v1/explain?key=globex").await;
    let requests = &explanation["resources"][0];
    assert_eq!(
        (&requests["contract"]["rate_per_s"], &requests["contract_from"]),
        (&5.0.into(), &"customer".into())
    );
    assert_eq!(explanation["proxies"][0]["table_epoch"], table.epoch);
    assert!(explanation["recent_usage"].as_array().unwrap().len() >= 4);
    let sentences = explanation["sentences"].as_array().unwrap();
    for expected in [
        "customer of tier gold",
        "5 per second with a burst of 10, its own",
        "asked for 24 requests",
        "edge-1",
    ] {
        let told = |sentence: &Value| sentence.as_str().unwrap().contains(expected);
        assert!(sentences.iter().any(told), "{expected}: {sentences:#?}");
    }

    proxy.ack(table.epoch, Some("absurd")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stranger = forecaster.json("/v1/explain?key=nobody").await;
    assert_eq!((&stranger["tier"], &stranger["tier_from"]), (&"bronze".into(), &"default_tier".into()));
    assert_eq!(stranger["proxies"][0]["table_error"], "absurd");
}

#[tokio::test]
async fn usage_can_be_narrowed_and_mistakes_are_problems() {
    let forecaster = Forecaster::start().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    proxy.report(&report(1, 1, "acme", 1_700_000_000_000, 4)).await;
    proxy.report(&report(1, 2, "acme", 1_700_000_100_000, 5)).await;
    let usage = forecaster.json("/v1/usage?from=2023-11-14T22:14:00Z&to=2023-11-15T00:00:00%2B01:00").await;
    assert_eq!(
        (&usage["totals"][0]["requests_offered"], &usage["totals"][0]["windows"]),
        (&5.into(), &1.into())
    );

    for (path, status) in [
        ("/v1/usage?from=yesterday", 400),
        ("/v1/usage?kee=acme", 400),
        ("/predictUsage", 400),
        ("/predictUsage?key=acme&resource=gpus", 400),
        ("/predictUsage?key=nobody", 404),
        ("/nothing/here", 404),
    ] {
        let response = forecaster.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], status, "{path}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn with_an_api_token_every_route_with_data_wants_it_and_probes_do_not() {
    let forecaster = Forecaster::start_with("api_token: letmein\n").await;
    let client = reqwest::Client::new();
    for path in [
        "/predictUsage?key=acme",
        "/investmentTiers",
        "/resourceAvailability",
        "/v1/usage",
        "/v1/explain?key=acme",
    ] {
        assert_eq!(forecaster.status(path).await.unwrap(), 401, "{path}");
        let refused = client.get(forecaster.url(path)).bearer_auth("guess").send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["www-authenticate"].to_str().unwrap()),
            (401, "Bearer")
        );
        let answered = client.get(forecaster.url(path)).bearer_auth("letmein").send().await.unwrap();
        assert_ne!(answered.status().as_u16(), 401, "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(forecaster.status(path).await.unwrap(), 200, "{path}");
    }
    assert_eq!(forecaster.metric("tidegate_requests_unauthorized_total").await, 10);
}
