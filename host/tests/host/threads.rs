//! Many threads, one budget.

use std::{
    env,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use tidegate_host::{Cost, Decision, FailMode, Request, Timestamp};

use crate::rig::{Ends, START, at, component, crashing, limited};

/// Seconds to hammer for; more by environment, for a soak.
fn seconds() -> u64 {
    env::var("TIDEGATE_HAMMER_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(3)
}

/// Eight threads on the real clock: singles, batches, estimates that are settled, time going on; returns what was admitted net of
/// refunds, and the most that there was.
fn hammer(shards: u16, crashes: bool) -> (u64, u64, u64) {
    const PER_S: u64 = 5_000;
    // A second's worth: on a busy machine nobody may get to ask for longer than a short burst lasts.
    const BURST: u64 = 5_000;
    // Compiling takes seconds, which are no part of the flood.
    let policy = if crashes { crashing() } else { component() };
    let started = Timestamp::now();
    let gate = limited(PER_S as f64, BURST)
        .component(policy)
        .shards(shards)
        .fail_mode(FailMode::Closed)
        .build(started)
        .unwrap();
    let (done, admitted, refunded) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let _ends = Ends(&done);
        for worker in 0..8_u64 {
            let (gate, done, admitted, refunded) = (&gate, &done, &admitted, &refunded);
            scope.spawn(move || {
                let keys: Vec<_> = (0..50).map(|key| gate.key(format!("customer-{worker}-{key}"))).collect();
                let mut turn = 0;
                while !done.load(Ordering::Relaxed) {
                    turn += 1;
                    let key = &keys[turn % keys.len()];
                    let now = Timestamp::now();
                    let decisions = match turn % 3 {
                        0 => gate.decide_batch(&vec![Request::new(key); 16], now),
                        1 => vec![gate.decide(&Request::new(key).cost(0, 3), now)],
                        _ => vec![gate.decide(&Request::new(key).estimate(0, 5), now)],
                    };
                    for decision in decisions {
                        let Decision::Admit(admission) = decision else { continue };
                        admitted.fetch_add(admission.granted, Ordering::Relaxed);
                        let Some(receipt) = admission.receipt else { continue };
                        if gate.settle(receipt, &[Cost { resource: 0, tokens: 2 }], Timestamp::now()) {
                            refunded.fetch_add(3, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds()) {
            thread::sleep(Duration::from_millis(50));
            gate.advance(Timestamp::now());
            if crashes {
                let _ = gate.decide(&Request::new(&gate.key("crash:trap")), Timestamp::now());
            }
        }
    });
    let nanos = Timestamp::now().nanos() - started.nanos();
    let most = BURST + (u128::from(nanos) * u128::from(PER_S)).div_ceil(1_000_000_000) as u64;
    // A refund reaches the bucket before it is counted here, so what was settled is net of it in any case.
    let net = admitted.into_inner() - refunded.into_inner();
    println!("{shards} shards: {net} of {most}, {:?}", gate.metrics());
    (net, most, gate.metrics().restarts)
}

#[test]
fn timestamps_out_of_order_mint_nothing() {
    let gate = limited(1_000.0, 10).component(component()).build(START).unwrap();
    let key = gate.key("acme");
    let mut admitted = 0;
    for step in 0..10_000_u64 {
        // Two threads that overtake one another by half a millisecond.
        let nanos = step * 100_000 + if step % 2 == 0 { 500_000 } else { 0 };
        admitted += u32::from(gate.decide(&Request::new(&key), at(nanos)).passes());
    }
    assert!((1_000..=1_011).contains(&admitted), "{admitted} in a second");
}

#[test]
fn eight_threads_get_what_there_is_and_no_more() {
    let (net, most, _) = hammer(1, false);
    assert!(net <= most, "{net} of {most}");
    assert!(net * 100 >= most * 95, "{net} of {most}: a flood should use it up");
}

#[test]
fn shards_together_get_what_there_is_and_no_more() {
    let (net, most, _) = hammer(4, false);
    assert!(net <= most, "{net} of {most}");
    assert!(net * 100 >= most * 95, "{net} of {most}");
}

#[test]
fn restarts_under_load_give_nothing_twice() {
    let (net, most, restarts) = hammer(2, true);
    assert!(net <= most, "{net} of {most}");
    assert!(restarts > 0);
}
