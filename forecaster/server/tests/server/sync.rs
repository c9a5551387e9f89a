//! The sync stream: who is welcomed, what counts, what is pushed.

use std::time::Duration;

use tidegate_core::{KeyHash, sync::Kind, table::Schedule};
use tidegate_proto::Frame;
use tonic::Code;

use crate::rig::{Forecaster, INTERVAL_MS, STEP_MS, hello, now_ms, report, use_for_steps};

#[tokio::test]
async fn a_proxy_is_welcomed_and_gets_a_table_at_once_and_after_each_step() {
    let forecaster = Forecaster::start().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    assert_eq!(u64::from(proxy.welcome.report_interval_ms), INTERVAL_MS);

    let first = proxy.table().await;
    assert!(first.starts_at_ms <= now_ms() && now_ms() < first.valid_until_ms);
    assert_eq!((u64::from(first.step_ms), first.steps, first.tiers.len()), (STEP_MS, 10, 2));
    let second = proxy.table().await;
    assert!(second.epoch > first.epoch && second.starts_at_ms >= first.starts_at_ms + STEP_MS);

    let folder = forecaster.kill();
    let forecaster = Forecaster::start_in(folder).await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    assert!(proxy.table().await.epoch > second.epoch, "epochs rise across a restart");
}

#[tokio::test]
async fn who_does_not_fit_is_refused_with_a_sentence() {
    let forecaster = Forecaster::start().await;
    let mut wrong_token = hello(1);
    wrong_token.token = "guess".to_owned();
    let mut wrong_protocol = hello(1);
    wrong_protocol.protocol += 1;
    let mut wrong_table = hello(1);
    wrong_table.table_format += 1;
    let mut unreadable = hello(1).encode();
    unreadable[3] += 1;
    let unreadable = Frame { kind: Kind::Hello as i32, payload: unreadable.into() };
    let no_hello = Frame { kind: Kind::Report as i32, payload: report(1, 1, "acme", 0, 1).encode().into() };

    let frame = |hello: tidegate_core::sync::Hello| Frame {
        kind: Kind::Hello as i32,
        payload: hello.encode().into(),
    };
    for (first, code, says) in [
        (frame(wrong_token), Code::Unauthenticated, "token"),
        (frame(wrong_protocol), Code::FailedPrecondition, "upgrade the forecaster"),
        (frame(wrong_table), Code::FailedPrecondition, "table format"),
        (unreadable, Code::FailedPrecondition, "version"),
        (no_hello, Code::InvalidArgument, "hello"),
    ] {
        let Err(status) = forecaster.connect_with(first).await else { panic!("{says}: welcomed") };
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(says), "{status}");
    }
    assert_eq!(forecaster.offered("acme").await, 0);
    assert!(forecaster.text("/metrics").await.contains("tidegate_streams_refused_total{reason=\"token\"} 1"));
}

#[tokio::test]
async fn a_malformed_report_ends_the_stream_and_counts_nothing() {
    let forecaster = Forecaster::start().await;
    let proxy = forecaster.connect(hello(1)).await.unwrap();
    proxy.send(Kind::Report, vec![1, 2, 3]).await;
    assert_eq!(proxy.end().await, Code::InvalidArgument);
    assert_eq!(forecaster.offered("acme").await, 0);
}

#[tokio::test]
async fn a_report_counts_once_over_resends_reconnects_and_kills() {
    let forecaster = Forecaster::start().await;
    let window = now_ms() / INTERVAL_MS * INTERVAL_MS;
    let (first, second) = (report(42, 1, "acme", window, 7), report(42, 2, "acme", window, 5));

    let mut proxy = forecaster.connect(hello(42)).await.unwrap();
    proxy.report(&first).await;
    proxy.report(&first).await;
    assert_eq!(forecaster.offered("acme").await, 7);

    let mut again = forecaster.connect(hello(42)).await.unwrap();
    again.report(&first).await;
    again.report(&second).await;
    assert_eq!(forecaster.offered("acme").await, 12);

    // What has been acknowledged survives the death of the process at once.
    let folder = forecaster.kill();
    let forecaster = Forecaster::start_in(folder).await;
    assert_eq!(forecaster.offered("acme").await, 12);
    let mut proxy = forecaster.connect(hello(42)).await.unwrap();
    proxy.report(&second).await;
    assert_eq!(forecaster.offered("acme").await, 12);

    // Another worker, or another start of it, counts from one again, through whichever stream.
    proxy.report(&report(43, 1, "acme", window, 7)).await;
    assert_eq!(forecaster.offered("acme").await, 19);
    let metrics = forecaster.text("/metrics").await;
    assert!(metrics.contains("tidegate_reports_total{result=\"duplicate\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_report_that_cannot_be_stored_is_not_acknowledged() {
    let forecaster = Forecaster::start().await;
    let proxy = forecaster.connect(hello(1)).await.unwrap();
    let report = report(1, 1, "acme", now_ms(), 3);
    forecaster.sql("ALTER TABLE usage RENAME TO elsewhere").await;
    proxy.send(Kind::Report, report.encode()).await;
    assert_eq!(proxy.end().await, Code::Unavailable);
    assert_eq!(forecaster.status("/readyz").await.unwrap(), 503);

    forecaster.sql("ALTER TABLE elsewhere RENAME TO usage").await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    proxy.report(&report).await;
    assert_eq!(forecaster.offered("acme").await, 3);
    assert_eq!(forecaster.status("/readyz").await.unwrap(), 200);
}

#[tokio::test]
async fn a_proxy_that_reads_slowly_skips_tables() {
    // A few tables fill the flow control window; then they wait in the forecaster.
    let forecaster = Forecaster::start_wide().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    let first = proxy.table().await;
    let before = forecaster.metric("tidegate_tables_total").await;
    while forecaster.metric("tidegate_tables_total").await < before + 20 {
        tokio::time::sleep(Duration::from_millis(STEP_MS)).await;
    }
    let newest = forecaster.metric("tidegate_table_epoch").await;
    let mut received = 0;
    while proxy.table().await.epoch < newest {
        received += 1;
    }
    assert!(newest > first.epoch);
    assert!(received <= 10, "{received} tables were kept for a proxy that did not read");
}

#[tokio::test]
async fn usage_becomes_a_reservation() {
    let forecaster = Forecaster::start().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    use_for_steps(&mut proxy, 1, "acme", 20, 3).await;
    let acme = KeyHash::of(b"acme");
    let mut reserved = 0.0;
    for _ in 0..50 {
        let table = proxy.table().await;
        let grants = table.keys.iter().filter(|key| key.hash == acme).flat_map(|key| &key.grants);
        let own = grants.flat_map(|grant| grant.reservations.steps());
        let shared = table.resources[0].tier_reservations.iter().flat_map(Schedule::steps);
        reserved = own.chain(shared).map(|reservation| reservation.rate.per_s()).fold(0.0, f64::max);
        if reserved > 0.0 {
            break;
        }
    }
    // About 200 requests per second were used; the contract of gold ends at 300.
    assert!((50.0..=300.0).contains(&reserved), "{reserved}");
}

#[tokio::test]
async fn sigterm_ends_streams_and_process_in_order() {
    let mut forecaster = Forecaster::start().await;
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    proxy.report(&report(1, 1, "acme", now_ms(), 1)).await;
    let (ended_well, code) = tokio::join!(forecaster.terminate(), proxy.end());
    assert!(ended_well);
    assert_eq!(code, Code::Unavailable);
}

#[tokio::test]
async fn a_signed_table_is_verified_with_the_key_that_the_command_prints() {
    let forecaster = Forecaster::start_signed().await;
    let key = forecaster.public_key();
    let mut proxy = forecaster.connect(hello(1)).await.unwrap();
    proxy.verify_with(&key);
    let first = proxy.table().await;
    let second = proxy.table().await;
    assert!(second.epoch > first.epoch);
}
