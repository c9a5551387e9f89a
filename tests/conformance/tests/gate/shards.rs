//! Shards that share their budgets: together they admit what one would.

use tidegate_core::KeyHash;
use tidegate_host::{Budget, Cost, Decision, Gate, Key, Receipt, Request, Timestamp};

use crate::world::{START, component, market, reserve};

const SECOND_NS: u64 = 1_000_000_000;

fn gate(shards: u16, per_s: f64, burst: u64) -> Gate {
    let builder = Gate::builder().component(component()).shards(shards);
    builder.resource("requests", Budget { per_s, burst }).build(START).unwrap()
}

fn keys(gate: &Gate, count: usize) -> Vec<Key> {
    (0..count).map(|key| gate.key(format!("customer-{key}"))).collect()
}

/// What is admitted in so many seconds of virtual time of requests at `offered_per_s`, by turns of all keys, while time is looked
/// after as a link would.
fn flood(gate: &Gate, keys: &[Key], offered_per_s: u64, seconds: u64) -> u64 {
    const TICK_NS: u64 = 50_000_000;
    let (pause, mut ticked, mut admitted) = (SECOND_NS / offered_per_s, 0, 0);
    for (turn, nanos) in (0..seconds * SECOND_NS).step_by(pause as usize).enumerate() {
        let now = Timestamp::from_nanos(START.nanos() + nanos);
        if nanos / TICK_NS > ticked {
            ticked = nanos / TICK_NS;
            gate.advance(now);
        }
        // A step that shares no factor with the number of keys.
        admitted += u64::from(gate.decide(&Request::new(&keys[turn * 7 % keys.len()]), now).passes());
    }
    admitted
}

#[test]
fn any_number_of_shards_admits_what_one_would() {
    const SECONDS: u64 = 20;
    for (per_s, burst, offered) in [(400_u64, 100_u64, 2_000), (20, 10, 200)] {
        for shards in [1, 2, 4, 8] {
            let gate = gate(shards, per_s as f64, burst);
            let admitted = flood(&gate, &keys(&gate, 64), offered, SECONDS);
            let most = per_s * SECONDS + burst;
            println!("{shards} shards, {per_s}/s: {admitted} of {most}");
            assert!(admitted <= most, "{shards} shards: {admitted} of {most}");
            let missing = if per_s >= 100 { most / 100 } else { u64::from(shards) };
            assert!(admitted + missing >= most, "{shards} shards: {admitted} of {most}");
        }
    }
}

#[test]
fn a_shard_alone_has_the_whole_budget() {
    let gate = gate(8, 100.0, 50);
    let one = &keys(&gate, 1);
    let admitted = flood(&gate, one, 1_000, 10);
    assert!((1_040..=1_050).contains(&admitted), "{admitted} of 1050 by one key");
}

#[test]
fn a_reservation_holds_in_whatever_shard_its_key_is() {
    let gate = gate(4, 100.0, 100);
    let mut table = market(START, 100.0, 100, 0);
    reserve(&mut table, KeyHash::of(b"gold"), 20.0, 20);
    gate.apply_table(&table.encode(), START).unwrap();
    let (gold, others) = (gate.key("gold"), keys(&gate, 64));
    let at = |step: u64| Timestamp::from_nanos(START.nanos() + step * 1_000_000);
    let (mut asked, mut admitted) = (0, 0);
    for step in 0..20_000 {
        // Others take all that they can get: ten times what there is.
        let other = Request::new(&others[step as usize % others.len()]);
        let _ = gate.decide(&other, at(step));
        if step % 50 == 0 {
            gate.advance(at(step));
        }
        // Its bucket is full after a second; then it uses what is reserved for it.
        if step >= 2_000 && step % 55 == 0 {
            asked += 1;
            admitted += u64::from(gate.decide(&Request::new(&gold), at(step)).passes());
        }
    }
    assert!(admitted + 4 >= asked, "{admitted} of {asked}: but for one chunk each");
}

#[test]
fn another_component_goes_on_with_the_same_books() {
    let gate = gate(4, 10.0, 40);
    let keys = keys(&gate, 32);
    let admitted = |requests: usize| {
        (0..requests).filter(|turn| gate.decide(&Request::new(&keys[turn % 32]), START).passes()).count()
    };
    assert_eq!(admitted(10), 10);
    gate.replace(component(), START).unwrap();
    let more = admitted(60);
    assert!((29..=30).contains(&more), "{more}: forty less ten");
}

#[test]
fn what_is_settled_comes_back_to_the_books() {
    let gate = gate(4, 0.001, 100);
    let keys = keys(&gate, 16);
    let mut receipts: Vec<Receipt> = Vec::new();
    for turn in 0..40 {
        let request = Request::new(&keys[turn % 16]).estimate(0, 10);
        if let Decision::Admit(admission) = gate.decide(&request, START) {
            receipts.extend(admission.receipt);
        }
    }
    assert_eq!(receipts.len(), 10);
    for receipt in receipts {
        assert!(gate.settle(receipt, &[Cost { resource: 0, tokens: 4 }], START));
    }
    // Idle leases go back.
    let later = Timestamp::from_nanos(START.nanos() + 60_000_000);
    gate.advance(later);
    let refunded =
        (0..200).filter(|turn| gate.decide(&Request::new(&keys[turn % 16]), later).passes()).count();
    assert!((59..=60).contains(&refunded), "{refunded} of 60");
}

#[test]
fn what_is_held_can_be_had_again_after_a_swap() {
    for shards in [1, 2] {
        let gate = gate(shards, 1.0, 8);
        let mut table = market(START, 0.0, 8, 0);
        table.resources[0].held = true;
        gate.apply_table(&table.encode(), START).unwrap();
        let keys = keys(&gate, 32);
        let admitted = || {
            let asked = keys.iter().map(|key| gate.decide(&Request::new(key), START));
            asked.filter(Decision::passes).count()
        };
        assert_eq!(admitted(), 8, "{shards} shards");
        assert_eq!(admitted(), 0, "{shards} shards");
        gate.replace(component(), START).unwrap();
        // Those of before give nothing back any more.
        assert_eq!(admitted(), 8, "{shards} shards");
    }
}
