mod held;

use alloc::{format, string::ToString};

use super::*;
use crate::config::Shell;
use crate::table::{Contract, DrawOrder, Forecast, Grant, Key, Resource, Schedule, Table, Tier};
use crate::units::{KeyHash, MicroRate};

const START_MS: u64 = 1_767_225_600_000;

fn now() -> Timestamp {
    Timestamp::from_millis(START_MS)
}

fn gate(extra: &str) -> Gate {
    let text = format!(
        r#"{{"key": [{{"header": "x-customer"}}],
            "resources": {{"requests": {{"safe_capacity_per_s": 10, "safe_burst": 3}}}}{extra}}}"#
    );
    Gate::new(Config::parse(text.as_bytes()).unwrap(), now())
}

fn request(customer: &str) -> Vec<(String, Vec<u8>)> {
    alloc::vec![("x-customer".to_string(), customer.as_bytes().to_vec())]
}

fn labels(gate: &mut Gate, customer: &str, count: usize) -> Vec<Label> {
    (0..count).map(|_| gate.admit(request(customer).as_slice(), false, now()).label).collect()
}

/// acme is gold with a contract of 2; the whole pool but 2 tokens is under a floor.
fn table() -> Table {
    Table {
        epoch: 5,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: START_MS,
        step_ms: 1_000,
        steps: 1,
        valid_until_ms: START_MS + 1_000,
        draw_order: DrawOrder::PoolFirst,
        tiers: alloc::vec![
            Tier { name: "gold".into(), contracts: alloc::vec![None], ..Tier::default() },
            Tier {
                name: "bronze".into(),
                floor_permille: 1_000,
                contracts: alloc::vec![None],
                ..Tier::default()
            },
        ],
        default_tier: 1,
        resources: alloc::vec![Resource {
            name: "requests".into(),
            capacity: MicroRate::from_per_s(10.0),
            burst: 3,
            safe_capacity: MicroRate::from_per_s(10.0),
            tier_reservations: alloc::vec![Schedule::default(); 2],
            ..Resource::default()
        }],
        keys: alloc::vec![Key {
            hash: KeyHash::of(b"acme"),
            tier: 0,
            grants: alloc::vec![Grant {
                resource: 0,
                contract: Some(Contract { rate: MicroRate::from_per_s(4.0), burst: 2 }),
                reservations: Schedule::default(),
                forecast: Forecast::default(),
            }],
        }],
    }
}

#[test]
fn shadow_mode_decides_and_lets_everything_pass() {
    let mut gate = gate("");
    for expected in [Label::Opportunistic, Label::Opportunistic, Label::Opportunistic, Label::RefusedPool] {
        let verdict = gate.admit(request("a").as_slice(), false, now());
        assert_eq!((verdict.label, verdict.response), (expected, None));
    }
}

#[test]
fn a_shortage_of_the_shared_capacity_is_503_with_retry_after() {
    let mut gate = gate(r#", "mode": "enforce""#);
    labels(&mut gate, "a", 3);
    let response = gate.admit(request("a").as_slice(), false, now()).response.unwrap();
    assert_eq!(response.status, 503);
    assert!(response.headers.contains(&("retry-after", "1".into())));
    assert!(response.headers.contains(&("content-type", "application/problem+json".into())));
    for part in [
        "temporary-reduced-capacity",
        r#""tier":"default""#,
        r#""resource":"requests""#,
        r#""retry_after_s":1"#,
    ] {
        assert!(response.body.contains(part), "{part} in {}", response.body);
    }
}

#[test]
fn a_customer_over_its_contract_gets_429_and_one_without_tokens_503() {
    let mut gate = gate(r#", "mode": "enforce""#);
    gate.allocator_mut().apply(&table().encode(), now()).unwrap();
    labels(&mut gate, "acme", 2);
    let over = gate.admit(request("acme").as_slice(), false, now());
    assert_eq!((over.label, gate.allocator().tier_name(over.tier)), (Label::RefusedContract, "gold"));
    let response = over.response.unwrap();
    assert_eq!(response.status, 429);
    for told in ["quota-exceeded", r#""reason":"contract""#, r#""violated-policies":["requests"]"#] {
        assert!(response.body.contains(told), "{}", response.body);
    }
    assert_eq!(gate.admit(request("stranger").as_slice(), false, now()).response.unwrap().status, 503);
}

#[test]
fn fail_modes_rule_without_a_table_and_only_then() {
    let expected = [
        ("open", Label::FailOpen, None),
        ("closed", Label::FailClosed, Some(503)),
        ("reactive", Label::RefusedPool, Some(503)),
    ];
    for (mode, label, status) in expected {
        let mut gate = gate(&format!(r#", "mode": "enforce", "fail_mode": "{mode}""#));
        labels(&mut gate, "acme", 3);
        let verdict = gate.admit(request("acme").as_slice(), false, now());
        assert_eq!((verdict.label, verdict.response.map(|response| response.status)), (label, status));
        gate.allocator_mut().apply(&table().encode(), now()).unwrap();
        assert!(!matches!(labels(&mut gate, "acme", 1)[0], Label::FailOpen | Label::FailClosed), "{mode}");
    }
}

#[test]
fn requests_without_a_key_share_one_and_are_told_apart() {
    let mut gate = gate("");
    let nothing: [(String, Vec<u8>); 0] = [];
    let verdict = gate.admit(nothing.as_slice(), false, now());
    assert!(verdict.anonymous);
    assert_eq!(gate.allocator_mut().report(1).unwrap().keys, ["(anonymous)"]);
}

#[test]
fn an_estimate_is_settled_by_the_response_header() {
    let text = br#"{"key": [{"header": "x-customer"}], "resources": {"tokens": {
        "cost": {"header": "x-cost"}, "settle": {"response_header": "x-actual"},
        "safe_capacity_per_s": 1, "safe_burst": 100}}}"#;
    let mut gate = Gate::new(Config::parse(text).unwrap(), now());
    for (actual, settled) in [("7", 7), ("nonsense", 50)] {
        let mut attributes = request("a");
        attributes.push(("x-cost".into(), b"50".to_vec()));
        let receipt = gate.admit(attributes.as_slice(), false, now()).receipt.unwrap();
        let response = [("x-actual".to_string(), actual.as_bytes().to_vec())];
        gate.settle(receipt, response.as_slice(), now());
        let usage = gate.allocator_mut().report(1).unwrap().records[0].usage;
        assert_eq!((usage.offered, usage.settled, usage.demand()), (50, settled, settled));
    }
}

#[test]
fn a_new_configuration_keeps_what_was_learned_unless_the_budgets_change() {
    let mut gate = gate("");
    labels(&mut gate, "a", 3);
    let config = Config { mode: Mode::Enforce, ..gate.config().clone() };
    assert_eq!(gate.reconfigure(config.clone(), 1, now()), None);
    assert_eq!(labels(&mut gate, "a", 1), [Label::RefusedPool]);
    let mut other = config;
    other.resources[0].safe = Some((MicroRate::from_per_s(10.0), 4));
    let unreported = gate.reconfigure(other, 1, now()).unwrap();
    assert_eq!((unreported.seq, unreported.records[0].usage.requests_offered), (1, 4));
    assert_eq!(labels(&mut gate, "a", 4), [Label::Opportunistic; 4]);
    assert_eq!(gate.allocator_mut().report(1).unwrap().seq, 2, "sequence numbers go on");
}

#[test]
fn who_may_wait_is_held_back_and_released_in_time_or_cancelled() {
    let mut gate = gate(r#", "mode": "enforce""#);
    let mut table = table();
    table.tiers[0].max_delay_ms = 1_000;
    table.keys[0].grants[0].contract = None;
    gate.allocator_mut().apply(&table.encode(), now()).unwrap();
    let ask = |gate: &mut Gate, holds| gate.admit(request("acme").as_slice(), holds, now());
    while ask(&mut gate, false).response.is_none() {}
    let (first, second) = (ask(&mut gate, true), ask(&mut gate, true));
    assert_eq!((first.label, first.response.clone()), (Label::Waiting, None));
    assert!(gate.release(now()).is_none());
    assert!(gate.cancel(first.ticket.unwrap()) && !gate.cancel(first.ticket.unwrap()));
    let later = now().plus(gate.next_release_ns(now()).unwrap());
    assert!(later > now() && later <= now().plus(110_000_000));
    let (ticket, verdict) = gate.release(later).unwrap();
    assert_eq!((Some(ticket), verdict.label, verdict.response), (second.ticket, Label::Delayed, None));
    assert_eq!((gate.release(later), gate.next_release_ns(later)), (None, None));
}

#[test]
fn shadow_mode_holds_nobody_back() {
    let mut gate = gate("");
    let mut table = table();
    table.tiers[0].max_delay_ms = 1_000;
    table.keys[0].grants[0].contract = None;
    gate.allocator_mut().apply(&table.encode(), now()).unwrap();
    let verdicts: Vec<Verdict> =
        (0..5).map(|_| gate.admit(request("acme").as_slice(), true, now())).collect();
    assert_eq!(verdicts[4].label, Label::Waiting);
    assert!(verdicts.iter().all(|verdict| verdict.ticket.is_none() && verdict.response.is_none()));
}

#[test]
fn usage_in_the_body_settles_what_the_prompt_was_estimated_to_cost() {
    use crate::attributes::WithBody;
    use crate::llm::{Prompt, Usage};

    let text = r#"{"mode": "enforce", "key": [{"header": "x-customer"}],
        "resources": {"llm_tokens": {"cost": {"llm": {}}, "safe_capacity_per_s": 1, "safe_burst": 1000}},
        "rules": [{"name": "models", "match": {"path_prefix": "/models"}, "skip": true},
                  {"name": "flat", "match": {"path_prefix": "/flat"}, "costs": {"llm_tokens": 5}}]}"#;
    let mut gate = Gate::new(
        Config::parse_for(text.as_bytes(), Shell { is_proxy: true, reads_bodies: true }).unwrap(),
        now(),
    );
    let head = request("acme");
    let wants = |path: &str| {
        let head: Vec<(String, Vec<u8>)> = alloc::vec![(":path".to_string(), path.as_bytes().to_vec())];
        gate.wants_body(head.as_slice())
    };
    assert_eq!(["/v1/chat", "/models", "/flat"].map(wants), [true, false, false]);
    let prompt = Some(Prompt { bytes: 400, max_output: Some(700) });
    let asked = WithBody { head: head.as_slice(), prompt, usage: None };
    let verdict = gate.admit(&asked, false, now());
    assert_eq!(verdict.label, Label::Opportunistic);
    assert_eq!(gate.admit(&asked, false, now()).label, Label::RefusedPool, "800 of 1000 are taken");
    let usage = Some(Usage { input: 90, output: 60 });
    let told = WithBody { head: head.as_slice(), prompt: None, usage };
    gate.settle(verdict.receipt.unwrap(), &told, now());
    let second = gate.admit(&asked, false, now());
    assert_eq!(second.label, Label::Opportunistic, "150 were used");
    gate.settle(second.receipt.unwrap(), head.as_slice(), now());
    assert_eq!(
        gate.admit(&asked, false, now()).label,
        Label::RefusedPool,
        "without usage the estimate stands"
    );
}

/// A field of a verdict's headers, read by a parser of structured fields: names with their parameters.
fn field(verdict: &Verdict, name: &str) -> Vec<(String, Vec<(String, i64)>)> {
    let value = &verdict.headers.iter().find(|(header, _)| *header == name).unwrap().1;
    let list: sfv::List = sfv::Parser::new(value).parse().unwrap();
    let item = |entry: sfv::ListEntry| {
        let sfv::ListEntry::Item(item) = entry else { panic!("{entry:?}") };
        let number =
            |(key, value): (sfv::Key, sfv::BareItem)| Some((key.to_string(), value.as_integer()?.into()));
        (
            item.bare_item.as_string().unwrap().to_string(),
            item.params.into_iter().filter_map(number).collect(),
        )
    };
    list.into_iter().map(item).collect()
}

#[test]
fn contracts_are_told_as_the_ratelimit_draft_has_it() {
    let mut gate = gate(r#", "mode": "enforce", "ratelimit_headers": true"#);
    let mut with_contract = table();
    with_contract.keys[0].grants[0].contract = Some(Contract { rate: MicroRate::from_per_s(0.5), burst: 2 });
    gate.allocator_mut().apply(&with_contract.encode(), now()).unwrap();
    let two = |name: &str, numbers: [(&str, i64); 2]| {
        alloc::vec![(name.to_string(), numbers.map(|(key, value)| (key.to_string(), value)).to_vec())]
    };
    for (left, full_in_s) in [(1, 2), (0, 4)] {
        let verdict = gate.admit(request("acme").as_slice(), false, now());
        assert!(verdict.response.is_none(), "{verdict:?}");
        assert_eq!(field(&verdict, "ratelimit-policy"), two("requests", [("q", 2), ("w", 4)]));
        assert_eq!(field(&verdict, "ratelimit"), two("requests", [("r", left), ("t", full_in_s)]));
    }
    let unknown = gate.admit(request("stranger").as_slice(), false, now());
    assert_eq!(unknown.headers, [], "who has no contract has no limit");
}

/// A gate for a proxy that enforces, with the table in force.
fn proxy(extra: &str) -> Gate {
    let text = format!(
        r#"{{"mode": "enforce", "key": [{{"header": "x-customer"}}],
            "resources": {{"requests": {{"safe_capacity_per_s": 10, "safe_burst": 3}}}}{extra}}}"#
    );
    let shell = Shell { is_proxy: true, reads_bodies: false };
    let mut gate = Gate::new(Config::parse_for(text.as_bytes(), shell).unwrap(), now());
    gate.allocator_mut().apply(&table().encode(), now()).unwrap();
    gate
}

fn until_refused(gate: &mut Gate, customer: &str) -> Verdict {
    for _ in 0..10 {
        let verdict = gate.admit(request(customer).as_slice(), false, now());
        if !verdict.label.is_plain() {
            return verdict;
        }
    }
    panic!("{customer} is never refused")
}

#[test]
fn every_decision_has_an_id_and_refusals_tell_it() {
    let mut gate = proxy(r#", "decision_ids": true"#);
    gate.identify(7);
    let admitted = gate.admit(request("acme").as_slice(), false, now());
    let id = admitted.id.to_string();
    assert_eq!(admitted.headers, [("x-tidegate-decision-id", id.clone())]);
    let refused = until_refused(&mut gate, "acme");
    assert_ne!(refused.id.to_string(), id);
    let body = refused.response.unwrap().body;
    assert!(body.contains(&format!(r#""decision":"{}""#, refused.id)), "{body}");
    assert!(!body.contains("alternatives"), "{body}");
}

#[test]
fn refusals_tell_what_would_be_admitted_instead_where_that_is_wanted() {
    let text = r#"{"mode": "enforce", "key": [{"header": "x-customer"}], "alternatives": true,
        "resources": {"requests": {"cost": {"header": "x-cost"}, "safe_capacity_per_s": 10, "safe_burst": 30}}}"#;
    let mut gate = Gate::new(Config::parse(text.as_bytes()).unwrap(), now());
    let mut table = table();
    table.resources[0].burst = 30;
    table.resources[0].alternatives = alloc::vec![1];
    table.resources.push(Resource { name: "spare".into(), ..table.resources[0].clone() });
    table.resources[1].alternatives = Vec::new();
    table.tiers[1].floor_permille = 500;
    for tier in &mut table.tiers {
        tier.contracts.push(None);
    }
    gate.allocator_mut().apply(&table.encode(), now()).unwrap();
    let costly = |cost: &str| {
        let mut request = request("stranger");
        request.push(("x-cost".into(), cost.as_bytes().to_vec()));
        request
    };
    let refused = gate.admit(costly("20").as_slice(), false, now());
    let body = refused.response.unwrap().body;
    for told in [r#""smaller_cost":{"requests":15}"#, r#""as_critical":true"#, r#""resources":["spare"]"#] {
        assert!(body.contains(told), "{told} in {body}");
    }
    // What is told is true.
    assert_eq!(gate.admit(costly("16").as_slice(), false, now()).label, Label::RefusedPool);
    assert_eq!(gate.admit(costly("15").as_slice(), false, now()).label, Label::Opportunistic);
}

#[test]
fn a_contract_that_is_nearly_used_up_is_warned_about() {
    let mut gate = proxy(r#", "warn_above": 0.5"#);
    let first = gate.admit(request("acme").as_slice(), false, now());
    assert_eq!(
        field(&first, "x-tidegate-warning"),
        [("requests".to_string(), alloc::vec![("usage".to_string(), 50), ("t".to_string(), 1)])]
    );
    assert!(first.warns);
    let stranger = gate.admit(request("stranger").as_slice(), false, now());
    assert_eq!((stranger.headers, stranger.warns), (Vec::new(), false));
    let mut patient = proxy(r#", "warn_above": 0.9"#);
    assert!(!patient.admit(request("acme").as_slice(), false, now()).warns);
    assert!(patient.admit(request("acme").as_slice(), false, now()).warns);
}

#[test]
fn a_refusal_may_become_a_request_that_passes_on_marked() {
    let rules = r#", "on_refusal": {"reroute": {"cluster": "overflow"}}, "rules": [
        {"name": "a", "match": {"headers": [{"name": "x-customer", "exact": "acme"}]},
         "on_refusal": {"tag": {"X-Over": "yes"}, "downgrade": {"header": "x-pool", "cluster": "cheap"}}}]"#;
    let mut gate = proxy(rules);
    assert_eq!(gate.config().own_headers, ["x-over", "x-pool", "x-tidegate-cluster"]);
    let set = |name: &str, value: &str| (name.to_string(), Some(value.to_string()));
    let over = until_refused(&mut gate, "acme");
    assert_eq!((over.label, &over.response), (Label::Downgraded, &None));
    assert_eq!(over.request_headers, [set("x-pool", "cheap"), set("x-over", "yes")]);
    assert!(over.receipt.is_none(), "nothing was debited");
    let other = until_refused(&mut gate, "stranger");
    assert_eq!(
        (other.label, other.request_headers),
        (Label::Rerouted, alloc::vec![set("x-tidegate-cluster", "overflow")])
    );
    let report = gate.allocator_mut().report(1).unwrap();
    let usages = || report.records.iter().map(|record| record.usage);
    assert!(
        usages().map(|usage| usage.requests_offered).sum::<u64>()
            > usages().map(|usage| usage.requests_admitted).sum()
    );
}

#[test]
fn nobody_else_may_send_the_headers_that_mark_a_refusal() {
    let mut gate = proxy(r#", "on_refusal": {"tag": {"x-over": "yes"}, "reroute": {"cluster": "c"}}"#);
    let mut forged = request("acme");
    forged.push(("X-Tidegate-Cluster".into(), b"gold".to_vec()));
    let verdict = gate.admit(forged.as_slice(), false, now());
    assert_eq!(verdict.request_headers, [("x-tidegate-cluster".to_string(), None)]);
    assert_eq!(gate.admit(request("acme").as_slice(), false, now()).request_headers, []);
    let config = Config { mode: Mode::Shadow, ..gate.config().clone() };
    gate.reconfigure(config, 1, now());
    let verdict = gate.admit(forged.as_slice(), false, now());
    assert_eq!((verdict.label, verdict.mode), (Label::Rerouted, Mode::Shadow));
    assert_eq!(
        verdict.request_headers,
        [("x-tidegate-cluster".to_string(), None)],
        "shadow mode marks nobody"
    );
}

#[test]
fn who_waited_in_vain_is_marked_too() {
    let mut gate = proxy(
        r#", "rules": [{"name": "all", "match": {}, "on_refusal": {"tag": {"x-late": "1"}}}], "decision_ids": true"#,
    );
    let mut table = table();
    table.epoch = 6;
    table.valid_until_ms += 10_000;
    table.tiers[0].max_delay_ms = 1_000;
    table.keys[0].grants[0].contract = None;
    gate.allocator_mut().apply(&table.encode(), now()).unwrap();
    let asked = (0..5).map(|_| gate.admit(request("acme").as_slice(), true, now()));
    let asked: Vec<Verdict> = asked.collect();
    let waiting = asked.last().unwrap();
    assert_eq!((waiting.label, waiting.request_headers.as_slice()), (Label::Waiting, &[][..]));
    // Before its turn comes there is next to nothing left to hand out.
    table.epoch = 7;
    table.resources[0].capacity = MicroRate::from_per_s(0.01);
    gate.allocator_mut().apply(&table.encode(), now()).unwrap();
    let released: Vec<_> = core::iter::from_fn(|| gate.release(now().plus(1_000_000_000))).collect();
    let (_, late) = released.last().unwrap();
    assert_eq!((late.label, late.id, late.response.as_ref()), (Label::Tagged, waiting.id, None));
    assert_eq!(late.request_headers, [("x-late".to_string(), Some("1".to_string()))]);
}
