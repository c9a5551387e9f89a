//! What a gate decides: the bucket, batches, receipts, the queue, keys beyond its bound.

use tidegate_host::{Cost, Decision, Error, Gate, Key, Reason, Request};

use crate::rig::{START, at, component, limited};

fn admitted(gate: &Gate, key: &Key, requests: usize, nanos: u64) -> usize {
    (0..requests).filter(|_| gate.decide(&Request::new(key), at(nanos)).passes()).count()
}

#[test]
fn a_bucket_is_a_bucket() {
    let gate = limited(10.0, 5).component(component()).build(START).unwrap();
    let (one, other) = (gate.key("one"), gate.key("other"));
    assert_eq!(admitted(&gate, &one, 3, 0) + admitted(&gate, &other, 5, 0), 5);
    let Decision::Refuse(refusal) = gate.decide(&Request::new(&one), at(0)) else {
        panic!("there is none left")
    };
    assert_eq!((refusal.reason, refusal.retry_after_ns), (Reason::Pool, Some(100_000_001)));
    assert_eq!(admitted(&gate, &one, 3, 100_000_001), 1);
}

#[test]
fn a_batch_decides_as_one_by_one_would() {
    let gates = [(); 2].map(|()| limited(1_000.0, 20).component(component()).build(START).unwrap());
    let keys = gates.each_ref().map(|gate| [gate.key("a"), gate.key("b"), gate.key("c")]);
    let request = |gate: usize, number: usize| {
        let request = Request::new(&keys[gate][number % 3]).cost(0, number as u64 % 4);
        if number.is_multiple_of(7) { request.and(0, 1, false) } else { request }
    };
    for round in 0..20_u64 {
        let now = at(round * 9_000_000);
        let asks: Vec<Request<'_>> = (0..64).map(|number| request(0, number)).collect();
        let batch = gates[0].decide_batch(&asks, now);
        let single: Vec<Decision> = (0..64).map(|number| gates[1].decide(&request(1, number), now)).collect();
        assert_eq!(batch, single);
        assert!(batch.iter().any(Decision::passes) && !batch.iter().all(Decision::passes));
    }
}

#[test]
fn an_estimate_is_settled_once() {
    let gate = limited(0.001, 100).component(component()).build(START).unwrap();
    let key = gate.key("acme");
    let Decision::Admit(admission) = gate.decide(&Request::new(&key).estimate(0, 80), START) else {
        panic!("there are a hundred")
    };
    let receipt = admission.receipt.unwrap();
    assert!(!gate.decide(&Request::new(&key).cost(0, 50), START).passes());
    assert!(gate.settle(receipt, &[Cost { resource: 0, tokens: 10 }], START));
    assert!(!gate.settle(receipt, &[Cost { resource: 0, tokens: 0 }], START), "a second time");
    assert!(gate.decide(&Request::new(&key).cost(0, 90), START).passes());
    assert!(!gate.decide(&Request::new(&key), START).passes());
}

#[test]
fn a_part_is_granted_to_who_takes_less() {
    let gate = limited(1.0, 10).component(component()).build(START).unwrap();
    let key = gate.key("acme");
    let Decision::Admit(admission) = gate.decide(&Request::new(&key).cost(0, 25).partial(), START) else {
        panic!("a part is welcome")
    };
    assert_eq!(admission.granted, 10);
}

#[test]
fn keys_beyond_the_bound_are_decided_by_name() {
    let gate = limited(1.0, 4).most_keys(1).component(component()).build(START).unwrap();
    let (interned, named) = (gate.key("one"), gate.key("two"));
    assert_eq!(gate.key("one").name(), b"one");
    assert_eq!(admitted(&gate, &interned, 2, 0) + admitted(&gate, &named, 3, 0), 4);
    assert!(gate.explain("two", START).unwrap().contains("\"available_now\":0"));
}

#[test]
fn what_no_gate_can_be_made_of_is_told() {
    assert!(matches!(Gate::builder().component(component()).build(START), Err(Error::Incomplete)));
    assert!(matches!(limited(1.0, 1).build(START), Err(Error::Incomplete)));
    let bad = Gate::builder().component(component()).configuration("{\"mode\": \"loud\", \"extra\": 1}");
    let Err(Error::Configuration(problems)) = bad.build(START) else { panic!("that is no configuration") };
    assert_eq!(problems.len(), 2, "{problems:?}");
    let module = tidegate_host::Component::from_bytes(b"\0asm\x01\0\0\0");
    assert!(matches!(module, Err(Error::Component(_))));
}

#[test]
fn a_bad_table_changes_nothing() {
    let gate = limited(10.0, 5).component(component()).build(START).unwrap();
    let refused = gate.apply_table(b"no table", START);
    assert!(matches!(refused, Err(Error::Table(_))), "{refused:?}");
    assert_eq!((gate.metrics().tables_rejected, gate.epochs()), (1, (0, 0)));
    assert_eq!(admitted(&gate, &gate.key("acme"), 9, 0), 5);
}
