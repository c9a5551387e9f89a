//! Requests by their attributes, as the configuration's rules judge them.

use tidegate_host::{Gate, Label, Verdict};

use crate::rig::{START, component};

const CONFIGURATION: &str = r#"{
    "mode": "enforce",
    "key": [{"header": "x-customer"}, {"path": true}],
    "class": {"header": "x-priority"},
    "resources": {"llm_tokens": {
        "cost": {"header": "x-estimate", "default": 10},
        "settle": {"response_header": "x-used"},
        "safe_capacity_per_s": 1, "safe_burst": 100
    }},
    "response_headers": true
}"#;

fn gate(shards: u16) -> Gate {
    Gate::builder().component(component()).configuration(CONFIGURATION).shards(shards).build(START).unwrap()
}

fn admit(gate: &Gate, request: &[(&str, &'static str)]) -> Verdict {
    let find =
        |wanted: &str| request.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_bytes());
    gate.admit(find, START)
}

#[test]
fn rules_make_key_and_cost_and_the_answer_is_the_plugins() {
    let gate = gate(1);
    let passed = admit(&gate, &[("x-customer", "acme"), (":path", "/chat?x=1"), ("x-estimate", "95")]);
    assert_eq!((passed.label, passed.response), (Some(Label::Opportunistic), None));
    assert!(passed.receipt.is_some() && !passed.anonymous);
    let header = |verdict: &Verdict, name: &str| {
        verdict.headers.iter().find(|header| header.name == name).map(|header| header.value.clone())
    };
    let refused = admit(&gate, &[("x-customer", "acme"), (":path", "/chat?x=2")]);
    assert_eq!(refused.word(), "refused_pool");
    assert_eq!(header(&refused, "x-tidegate-decision").as_deref(), Some("refused_pool"));
    assert_eq!(header(&refused, "x-tidegate-tier").as_deref(), Some("default"));
    let response = refused.response.unwrap();
    assert_eq!(response.status, 503);
    assert!(response.headers.iter().any(|header| header.name == "retry-after" && header.value == "5"));
    assert!(response.body.contains("temporary-reduced-capacity"), "{}", response.body);
    let keys = String::from_utf8_lossy(&gate.reports()[0].bytes).into_owned();
    assert!(keys.contains("acme|/chat") && !keys.contains("x=1"), "{keys}");
}

#[test]
fn a_response_settles_by_its_header() {
    let gate = gate(1);
    let passed = admit(&gate, &[("x-customer", "acme"), (":path", "/"), ("x-estimate", "100")]);
    let find = |name: &str| (name == "x-used").then_some(b"30".as_slice());
    gate.settle_response(passed.receipt.unwrap(), find, START);
    let next = admit(&gate, &[("x-customer", "acme"), (":path", "/"), ("x-estimate", "70")]);
    assert_eq!(next.response, None);
}

#[test]
fn one_key_is_one_shards() {
    let gate = gate(8);
    // Whatever the query.
    for path in ["/a?1", "/a?2", "/a", "/a?3", "/a?4", "/a?5", "/a?6"] {
        admit(&gate, &[("x-customer", "acme"), ("x-estimate", "5"), (":path", path)]);
    }
    assert_eq!(gate.reports().len(), 1, "one shard has counted them all");
}

#[test]
fn without_rules_everything_passes_and_that_is_told() {
    let gate = crate::rig::limited(1.0, 1).component(component()).build(START).unwrap();
    assert!(!gate.has_rules());
    let verdict = admit(&gate, &[("x-customer", "acme")]);
    assert_eq!((verdict.label, verdict.anonymous), (Some(Label::FailOpen), true));
}

#[test]
fn no_two_refusals_have_the_same_id() {
    let gate = gate(4);
    let mut seen = std::collections::BTreeSet::new();
    for customer in ["acme", "globex", "initech", "hooli", "umbrella", "soylent", "stark", "wayne"] {
        for _ in 0..20 {
            let verdict = admit(&gate, &[("x-customer", customer), (":path", "/"), ("x-estimate", "60")]);
            let Some(response) = verdict.response else { continue };
            let (_, rest) = response.body.split_once("\"decision\":\"").expect("every problem has an id");
            let (id, _) = rest.split_once('"').unwrap();
            assert!(seen.insert(id.to_owned()), "{id} again");
        }
    }
    assert!(seen.len() > 100, "{} refusals", seen.len());
}
