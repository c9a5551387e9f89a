//! Requests that wait: held back by the system's clock, in the policy's order, and let go.

use std::time::{Duration, Instant};

use tidegate_host::{Gate, Held, Label, Timestamp, Verdict};
use tokio::time::timeout;

use crate::world::{component, market, wait_until};

/// Two tokens at once, one each 50 ms.
const CONFIGURATION: &str = r#"{
    "mode": "MODE",
    "key": [{"header": "x-customer"}],
    "resources": {"requests": {"safe_capacity_per_s": 20, "safe_burst": 2}},
    "response_headers": true
}"#;

fn gate(mode: &str) -> Gate {
    let now = Timestamp::now();
    let json = CONFIGURATION.replace("MODE", mode);
    let gate = Gate::builder().component(component()).configuration(json).build(now).unwrap();
    gate.apply_table(&market(now, 20.0, 2, 1_000).encode(), now).unwrap();
    gate
}

fn ask(gate: &Gate) -> (Verdict, Option<Held>) {
    gate.admit_or_hold(|name| (name == "x-customer").then_some(b"acme".as_slice()))
}

#[tokio::test]
async fn who_may_wait_is_held_until_tokens_are_there() {
    let gate = gate("enforce");
    let since = Instant::now();
    let asked: Vec<_> = (0..6).map(|_| ask(&gate)).collect();
    let waiting = asked.iter().filter(|(verdict, held)| {
        assert_eq!(verdict.label == Some(Label::Waiting), held.is_some());
        assert!(verdict.response.is_none());
        held.is_some()
    });
    let count = waiting.count() as u64;
    assert!((3..=4).contains(&count), "{count} of 6 wait");
    assert_eq!(gate.metrics().waiting, count);
    for (_, held) in asked {
        let Some(held) = held else { continue };
        let verdict = timeout(Duration::from_secs(10), held).await.unwrap().unwrap();
        assert_eq!((verdict.label, verdict.response), (Some(Label::Delayed), None));
        assert!(verdict.headers.iter().any(|header| header.value == "delayed"), "{:?}", verdict.headers);
    }
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(50 * count - 5), "{took:?} for {count} that waited");
    let metrics = gate.metrics();
    assert_eq!((metrics.delayed.0, metrics.waiting), (count, 0));
    assert!(metrics.delayed.1 >= Duration::from_millis(50), "{metrics:?}");
}

#[tokio::test]
async fn who_hangs_up_leaves_the_queue() {
    let gate = gate("enforce");
    let asked: Vec<_> = (0..12).map(|_| ask(&gate)).collect();
    assert!(gate.metrics().waiting >= 9, "{:?}", gate.metrics());
    drop(asked);
    assert_eq!(gate.metrics().waiting, 0);
    let since = Instant::now();
    if let (_, Some(held)) = ask(&gate) {
        assert_eq!(held.await.unwrap().label, Some(Label::Delayed));
    }
    assert!(since.elapsed() < Duration::from_millis(400), "{:?} behind nobody", since.elapsed());
}

#[tokio::test]
async fn who_waits_while_the_policy_is_replaced_is_told_to_ask_again() {
    let gate = gate("enforce");
    let held: Vec<Held> = (0..6).filter_map(|_| ask(&gate).1).collect();
    let count = held.len();
    assert!(count >= 3, "{count}");
    gate.replace(component(), Timestamp::now()).unwrap();
    for held in held {
        // One or two may have been let go before.
        let end = timeout(Duration::from_secs(10), held).await.unwrap();
        assert!(end.is_none_or(|verdict| verdict.label == Some(Label::Delayed)));
    }
    assert_eq!(gate.metrics().waiting, 0);
}

#[tokio::test]
async fn shadow_mode_holds_nobody_back_and_its_queue_empties() {
    let gate = gate("shadow");
    let labels: Vec<_> = (0..6)
        .map(|_| {
            let (verdict, held) = ask(&gate);
            assert!(held.is_none() && verdict.response.is_none() && !verdict.is_enforced);
            verdict.label
        })
        .collect();
    assert!(labels.contains(&Some(Label::Waiting)), "{labels:?}");
    wait_until("the queue is empty", || gate.metrics().waiting == 0);
}

#[tokio::test]
async fn a_gate_that_goes_leaves_nobody_waiting() {
    let gate = gate("enforce");
    let mut held: Vec<Held> = (0..6).filter_map(|_| ask(&gate).1).collect();
    let last = held.pop().unwrap();
    // Who waits keeps the gate.
    drop((gate, held));
    let end = timeout(Duration::from_secs(10), last).await.unwrap();
    assert_eq!(end.unwrap().label, Some(Label::Delayed));
}
