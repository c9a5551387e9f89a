//! Components that fail: the fail mode answers, the next instance has what the last one knew, and nothing is given twice.

use std::time::{Duration, Instant};

use tidegate_host::{Decision, FailMode, Gate, Limits, Request};

use crate::rig::{START, at, crashing, limited, wait_until};

fn gate(fail_mode: FailMode) -> Gate {
    let mut limits = Limits::default();
    limits.memory_bytes = 64 << 20;
    limited(10.0, 5).component(crashing()).limits(limits).fail_mode(fail_mode).build(START).unwrap()
}

/// Lets the instance fail under `key`, sees that the fail mode answers until there is another, and that this one goes on.
fn survives(key: &str) {
    let gate = gate(FailMode::Closed);
    let acme = gate.key("acme");
    assert!(gate.decide(&Request::new(&acme), START).passes());
    let started = Instant::now();
    let answer = gate.decide(&Request::new(&gate.key(key)), START);
    assert_eq!(answer, Decision::Unavailable { pass: false }, "{key}");
    assert!(started.elapsed() < Duration::from_secs(20), "{key} took {:?}", started.elapsed());
    wait_until("restarted", || gate.metrics().restarts == 1);
    // Nobody knows how much of the burst the first instance had given, so nothing of it is left.
    let Decision::Refuse(refusal) = gate.decide(&Request::new(&acme), START) else { panic!("given twice") };
    assert_eq!(refusal.retry_after_ns, Some(100_000_001), "{key}");
    assert!(gate.decide(&Request::new(&acme), at(100_000_001)).passes(), "{key}");
    assert_eq!(gate.metrics().failures, 1, "{key}");
}

#[test]
fn a_component_that_traps_is_made_anew() {
    survives("crash:trap");
}

#[test]
fn a_component_that_loops_for_ever_is_ended() {
    survives("crash:loop");
}

#[test]
fn a_component_that_allocates_without_end_is_ended() {
    survives("crash:allocate");
}

#[test]
fn nonsense_is_passed_on_and_harms_nobody() {
    let gate = gate(FailMode::Closed);
    let Decision::Admit(admission) = gate.decide(&Request::new(&gate.key("crash:nonsense")), START) else {
        panic!("it says that it admits")
    };
    assert_eq!(gate.tiers().get(usize::from(admission.tier)), None);
    assert!(!gate.settle(admission.receipt.unwrap(), &[], START));
    assert!(gate.decide(&Request::new(&gate.key("acme")), START).passes());
    assert_eq!(gate.metrics().failures, 0);
}

#[test]
fn open_means_open_while_it_is_restarted() {
    let gate = gate(FailMode::Open);
    let answer = gate.decide(&Request::new(&gate.key("crash:trap")), START);
    assert_eq!(answer, Decision::Unavailable { pass: true });
}

#[test]
fn who_fails_again_and_again_comes_back_more_and_more_slowly() {
    let gate = gate(FailMode::Open);
    let poison = gate.key("crash:trap");
    let started = Instant::now();
    let mut answers = 0_u64;
    while started.elapsed() < Duration::from_secs(2) {
        assert!(gate.decide(&Request::new(&poison), START).passes());
        answers += 1;
    }
    let metrics = gate.metrics();
    assert!((3..=12).contains(&metrics.restarts), "{metrics:?}");
    assert!(answers > 1_000 && metrics.unavailable == answers, "{answers} {metrics:?}");
}

#[test]
fn receipts_of_a_failed_instance_settle_nothing() {
    let gate = gate(FailMode::Closed);
    let acme = gate.key("acme");
    let Decision::Admit(admission) = gate.decide(&Request::new(&acme).estimate(0, 5), START) else {
        panic!("there are five")
    };
    let _ = gate.decide(&Request::new(&gate.key("crash:trap")), START);
    wait_until("restarted", || gate.metrics().restarts == 1);
    assert!(!gate.settle(admission.receipt.unwrap(), &[], START));
    assert!(!gate.decide(&Request::new(&acme), START).passes());
}
