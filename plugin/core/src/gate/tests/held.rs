//! What those are told who were held back, and how they are counted.

use super::*;

/// acme is gold, may wait for a second, and has a contract of 5 requests.
fn patient(extra: &str) -> Gate {
    let mut gate = gate(&format!(r#", "mode": "enforce"{extra}"#));
    let mut table = table();
    table.valid_until_ms += 10_000;
    table.tiers[0].max_delay_ms = 1_000;
    table.keys[0].grants[0].contract = Some(Contract { rate: MicroRate::from_per_s(5.0), burst: 5 });
    gate.allocator_mut().apply(&table.encode(), now()).unwrap();
    gate
}

fn ask(gate: &mut Gate) -> Verdict {
    gate.admit(request("acme").as_slice(), true, now())
}

/// The pool is empty then.
fn first_three(gate: &mut Gate) {
    (0..3).for_each(|_| assert!(ask(gate).receipt.is_none()));
}

fn names(verdict: &Verdict) -> Vec<&str> {
    verdict.headers.iter().map(|(name, _)| *name).collect()
}

#[test]
fn who_was_held_back_is_told_its_contract_once_it_is_admitted() {
    let mut gate = patient(r#", "ratelimit_headers": true, "warn_above": 0.7"#);
    first_three(&mut gate);
    let waiting = ask(&mut gate);
    assert_eq!((waiting.label, names(&waiting), waiting.warns), (Label::Waiting, Vec::new(), false));
    let later = now().plus(gate.next_release_ns(now()).unwrap());
    // Somebody else asks in between.
    gate.admit(request("stranger").as_slice(), false, later);
    let (_, released) = gate.release(later).unwrap();
    assert_eq!(released.label, Label::Delayed);
    assert_eq!(names(&released), ["ratelimit-policy", "ratelimit", "x-tidegate-warning"]);
    assert!(released.warns);
    let left = field(&released, "ratelimit")[0].1[0].clone();
    assert_eq!(left, ("r".to_string(), 1), "of 5 less 4, and half of one came back");
}

#[test]
fn who_waited_in_vain_is_told_what_would_be_admitted_instead() {
    let mut gate = patient(r#", "ratelimit_headers": true, "alternatives": true"#);
    first_three(&mut gate);
    assert_eq!(ask(&mut gate).label, Label::Waiting);
    let mut table = table();
    table.epoch = 7;
    table.valid_until_ms += 10_000;
    table.tiers[0].max_delay_ms = 1_000;
    table.resources[0].capacity = MicroRate::from_per_s(0.01);
    // What is set aside for emergencies is all there is.
    table.resources[0].emergency_key_permille = 1_000;
    let reservation = crate::table::Reservation { rate: MicroRate::from_per_s(0.005), depth: 1 };
    table.resources[0].emergency = Schedule::constant(reservation, 1);
    gate.allocator_mut().apply(&table.encode(), now()).unwrap();
    let released = core::iter::from_fn(|| gate.release(now().plus(1_000_000_000)));
    let (_, late) = released.last().unwrap();
    assert_eq!(late.label, Label::RefusedPool);
    assert!(names(&late).contains(&"ratelimit"), "{late:?}");
    let body = late.response.unwrap().body;
    assert!(body.contains(r#""alternatives""#), "{body}");
}

#[test]
fn who_is_asked_again_is_not_counted_as_offered_twice() {
    let mut gate = patient("");
    first_three(&mut gate);
    assert_eq!(ask(&mut gate).label, Label::Waiting);
    let text = r#"{"key": [{"header": "x-customer"}], "mode": "enforce",
        "resources": {"requests": {"safe_capacity_per_s": 10, "safe_burst": 4}}}"#;
    let before = gate.reconfigure(Config::parse(text.as_bytes()).unwrap(), 1, now()).unwrap();
    let again = gate.admit_again(request("acme").as_slice(), now());
    assert_eq!((again.label, again.response), (Label::Opportunistic, None));
    let after = gate.allocator_mut().report(1).unwrap();
    let sum = |report: &Report| {
        let usages = report.records.iter().map(|record| &record.usage);
        usages.fold((0, 0), |sum, usage| (sum.0 + usage.requests_offered, sum.1 + usage.requests_admitted))
    };
    assert_eq!((sum(&before), sum(&after)), ((4, 3), (0, 1)));
    assert_eq!(gate.allocator().requests(), 0, "the new allocator was asked about nobody new");
}
