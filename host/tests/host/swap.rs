//! Another component while requests go on.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use tidegate_host::{Decision, Gate, Request};

use crate::rig::{Ends, START, at, component, crashing, limited};

const CONFIGURATION: &str = r#"{"mode": "enforce", "key": [{"header": "x-customer"}],
    "resources": {"requests": {"safe_capacity_per_s": 10, "safe_burst": 8}}}"#;

#[test]
fn what_is_left_in_the_pool_is_left_in_the_next_one() {
    let gate = limited(10.0, 8).component(component()).build(START).unwrap();
    let acme = gate.key("acme");
    let admitted =
        |requests: usize| (0..requests).filter(|_| gate.decide(&Request::new(&acme), START).passes()).count();
    assert_eq!(admitted(3), 3);
    gate.replace(crashing(), START).unwrap();
    assert_eq!(admitted(9), 5, "eight less three");
    assert_eq!((gate.metrics().swaps, gate.metrics().failures), (1, 0));
}

#[test]
fn no_request_is_dropped_and_nothing_is_given_twice() {
    const PER_S: u64 = 1_000;
    let gate = limited(PER_S as f64, PER_S).component(component()).build(START).unwrap();
    let (done, admitted, clock) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let _ends = Ends(&done);
        for worker in 0..2 {
            let (gate, done, admitted, clock) = (&gate, &done, &admitted, &clock);
            scope.spawn(move || {
                let key = gate.key(format!("customer-{worker}"));
                while !done.load(Ordering::Relaxed) {
                    let nanos = clock.fetch_add(100_000, Ordering::Relaxed);
                    match gate.decide(&Request::new(&key), at(nanos)) {
                        Decision::Admit(_) => drop(admitted.fetch_add(1, Ordering::Relaxed)),
                        Decision::Refuse(_) => {}
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        for round in 0..10 {
            thread::sleep(Duration::from_millis(20));
            let next = if round % 2 == 0 { crashing() } else { component() };
            gate.replace(next, at(clock.load(Ordering::Relaxed))).unwrap();
        }
    });
    let (admitted, nanos) = (admitted.into_inner(), clock.into_inner());
    let most = PER_S + nanos * PER_S / 1_000_000_000 + 1;
    assert!(admitted <= most, "{admitted} of {most}");
    assert!(admitted > PER_S, "{admitted} of {most}");
    assert_eq!((gate.metrics().swaps, gate.metrics().unavailable), (10, 0));
}

#[test]
fn another_configuration_takes_effect_and_a_bad_one_does_not() {
    let gate = Gate::builder().component(component()).configuration(CONFIGURATION).build(START).unwrap();
    let ask = |header: &'static str| gate.admit(|name| (name == header).then_some(b"acme".as_slice()), START);
    assert!(!ask("x-customer").anonymous);
    gate.reconfigure(CONFIGURATION.replace("x-customer", "x-tenant"), START).unwrap();
    assert!(ask("x-customer").anonymous && !ask("x-tenant").anonymous);
    assert!(gate.reconfigure("{\"mode\": 1}", START).is_err());
    assert!(!ask("x-tenant").anonymous, "the last good one stays");
}

#[test]
fn usage_that_was_not_reported_is_reported_after_a_swap() {
    let gate = Gate::builder().component(component()).configuration(CONFIGURATION).build(START).unwrap();
    let verdict = gate.admit(|_| Some(b"acme".as_slice()), START);
    assert!(verdict.response.is_none());
    gate.replace(crashing(), at(1)).unwrap();
    let reports = gate.reports();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].bytes.windows(4).any(|bytes| bytes == b"acme"));
    assert!(gate.reports().is_empty());
}
