use alloc::{format, string::ToString, vec};

use super::*;
use crate::{
    allocator::Class,
    rules::{HeaderMatch, Instead},
};

#[test]
fn the_canonical_configuration_is_read_in_full() {
    let text = r#"{
        "mode": "enforce",
        "proxy": "edge-1",
        "key": [{ "header": "X-Customer" }, { "path": true }],
        "class": { "header": "x-priority" },
        "resources": {
            "requests": { "cost": 1, "safe_capacity_per_s": 200.5, "safe_burst": 100 },
            "llm_tokens": {
                "cost": { "header": "x-context-tokens", "default": 100 },
                "settle": { "response_header": "x-total-tokens" },
                "safe_capacity_per_s": 50000
            }
        },
        "forecaster": { "cluster": "tidegate", "token": "secret", "public_key":
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" },
        "fail_mode": "closed",
        "response_headers": true
    }"#;
    let config = Config::parse(text.as_bytes()).unwrap();
    assert_eq!(
        (config.mode, config.fail_mode, config.response_headers),
        (Mode::Enforce, FailMode::Closed, true)
    );
    assert_eq!(config.key, [KeyPart::Header("x-customer".into()), KeyPart::Path]);
    assert_eq!(config.class, Some(ClassRule::Header("x-priority".into())));
    let forecaster = config.forecaster.clone().unwrap();
    assert_eq!((forecaster.cluster.as_str(), forecaster.token.as_str()), ("tidegate", "secret"));
    // The first public key of RFC 8032, section 7.1.
    assert_eq!(forecaster.public_key.unwrap().to_bytes()[..3], [0xd7, 0x5a, 0x98]);
    let [requests, tokens] = config.resources.as_slice() else { panic!("{config:?}") };
    assert_eq!(requests.safe, Some((MicroRate(200_500_000), 100)));
    assert_eq!(tokens.safe, Some((MicroRate(50_000_000_000), 50_000)));
    assert_eq!(tokens.cost, CostRule::Header { name: "x-context-tokens".into(), default: 100 });
    assert_eq!(tokens.settle_header.as_deref(), Some("x-total-tokens"));
}

#[test]
fn no_configuration_is_legal_and_limits_nothing() {
    for text in ["", "  \n", "{}"] {
        assert_eq!(Config::parse(text.as_bytes()), Ok(Config::default()));
    }
    assert_eq!(Config::default().mode, Mode::Shadow);
}

#[test]
fn every_problem_is_reported_at_once_with_line_and_key() {
    let text = r#"{
  "mode": "enforcing",
  "proxy": "",
  "key": [{ "header": "x customer" }, { "header": "a", "path": true }, 3],
  "resources": {
    "requests": { "cost": -1, "safe_capacity_per_s": 0 },
    "tokens": { "costs": 1, "safe_burst": 5 }
  },
  "forecaster": { "token": "t", "public_key": "zz" },
  "fail_mode": "ajar",
  "fail_mode": "open",
  "respnse_headers": true
}"#;
    let problems = Config::parse(text.as_bytes()).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "line 2, mode: must be one of shadow, enforce",
        "line 3, proxy: must not be empty",
        "line 4, key[0].header: is not the name of a header",
        "line 4, key[1]: give exactly one of header, constant, path_segments, path_templates, property, jwt_claim, path, method, authority, source_address",
        "line 4, key[2]: must be an object",
        "line 6, resources.requests.cost: must be a whole number from 0 to 1099511627776",
        "line 6, resources.requests.safe_capacity_per_s: must be above 0 and at most 1000000000",
        "line 7, resources.tokens.safe_burst: safe_burst needs safe_capacity_per_s beside it",
        "line 7, resources.tokens.costs: no such key; allowed here: cost, settle, safe_capacity_per_s, safe_burst",
        "line 9, forecaster: cluster is missing",
        "line 9, forecaster.public_key: is no Ed25519 public key in 64 hexadecimal digits, as `tidegate key` prints it",
        "line 10, fail_mode: must be one of open, closed, reactive",
        "line 11, fail_mode: appears twice",
        "line 12, respnse_headers: no such key; allowed here: mode, proxy, key, class, resources, rules, \
         shadow_tiers, forecaster, fail_mode, response_headers, ratelimit_headers, decision_ids, alternatives, \
         access_log, warn_above, on_refusal, details, debug, trial",
    ];
    for line in expected {
        assert!(told.iter().any(|told| told == line), "{line}\nis missing in\n{}", told.join("\n"));
    }
    // The one problem more: `x customer` leaves the first part without a value.
    assert!(told.len() <= expected.len() + 1, "{}", told.join("\n"));
}

#[test]
fn what_is_not_json_gets_one_sentence_that_says_what_to_do() {
    let problems = Config::parse(&[0x0a, 0x0b, 0xff]).unwrap_err();
    assert!(problems[0].message.contains("google.protobuf.StringValue"), "{problems:?}");
    let problems = Config::parse(b"{\n  \"mode\": \n}").unwrap_err();
    assert_eq!((problems.len(), problems[0].line), (1, 3), "{problems:?}");
}

#[test]
fn rules_say_what_is_different_for_some_requests() {
    let text = r#"{
        "resources": { "requests": {}, "llm_tokens": { "cost": { "body_bytes_per_token": 4, "plus": 256 } } },
        "shadow_tiers": ["bronze"],
        "key": [{ "jwt_claim": "org.id" }, { "source_address": true }, { "path_templates": ["/v1/{what}"] },
                { "path_segments": 2 }, { "property": ["xds", "cluster_name"] }],
        "rules": [
            { "name": "probes", "match": { "path_prefix": "/healthz" }, "skip": true },
            { "name": "chat", "match": { "methods": ["POST"], "path_templates": ["/v1/chat/{rest...}"],
                "headers": [{ "name": "X-Model", "prefix": "gpt-" }, { "name": "x-team" }],
                "properties": [{ "path": ["xds", "cluster_name"], "exact": "models" }],
                "authorities": ["api.example"], "route": "chat" },
              "key": [{ "header": "x-team" }], "class": "critical", "mode": "shadow",
              "costs": { "llm_tokens": { "header": "x-tokens", "default": 900 } } }
        ]
    }"#;
    let config = Config::parse(text.as_bytes()).unwrap();
    assert_eq!(config.shadow_tiers, ["bronze"]);
    assert_eq!(config.resources[1].cost, CostRule::BodySize { bytes_per_token: 4, plus: 256 });
    let claim = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload", "org", "id"];
    assert_eq!(config.key[0], KeyPart::Property(claim.map(Into::into).to_vec()));
    assert_eq!((&config.key[1], &config.key[3]), (&KeyPart::SourceAddress, &KeyPart::PathSegments(2)));
    let [probes, chat] = config.rules.as_slice() else { panic!("{config:?}") };
    assert!(probes.skip && probes.matcher.path_prefix.as_deref() == Some("/healthz"));
    assert_eq!(
        (chat.mode, chat.class.clone()),
        (Some(Mode::Shadow), Some(ClassRule::Constant(Class::Critical)))
    );
    assert_eq!(chat.costs, [None, Some(CostRule::Header { name: "x-tokens".into(), default: 900 })]);
    assert_eq!((chat.matcher.headers.len(), chat.matcher.route.as_deref()), (2, Some("chat")));
    let cluster = ["xds", "cluster_name"].map(Into::into).to_vec();
    assert_eq!(chat.matcher.properties, [(cluster, HeaderMatch::Exact("models".into()))]);
}

#[test]
fn mistakes_in_rules_are_told_together() {
    let text = r#"{
        "rules": [
            { "name": "a", "match": { "path_templates": ["users"] }, "costs": { "tokens": 1 } },
            { "name": "a", "match": {}, "class": "urgent" },
            { "match": { "headers": [{ "name": "x", "exact": "1", "prefix": "2" }], "verbs": ["GET"] } },
            { "name": "b", "match": { "properties": [{ "exact": "1" }, { "path": [], "prefix": 2 }] } }
        ]
    }"#;
    let problems = Config::parse(text.as_bytes()).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (line, part) in [
        (3, "path_templates[0]: must begin with a slash"),
        (3, "there is no such resource; give requests"),
        (4, "must be one of critical, standard, deferrable"),
        (5, "name is missing"),
        (5, "give exact or prefix, not both"),
        (6, "rules[3].match.properties[0]: path is missing"),
        (6, "rules[3].match.properties[1].path: give at least one text"),
        (6, "rules[3].match.properties[1].prefix: must be a text"),
        (5, "verbs: no such key"),
    ] {
        let found = told.iter().any(|told| told.starts_with(&format!("line {line},")) && told.contains(part));
        assert!(found, "{line} {part}: {told:#?}");
    }
}

#[test]
fn a_cost_by_llm_is_for_shells_that_read_bodies() {
    let text = r#"{ "resources": { "llm_tokens": { "cost": { "llm": { "output_weight": 3 } } } } }"#;
    let config = Config::parse_for(text.as_bytes(), Shell { is_proxy: true, reads_bodies: true }).unwrap();
    let rule =
        crate::llm::LlmRule { bytes_per_token: 4, default_output: 1_024, input_weight: 1, output_weight: 3 };
    assert_eq!(config.resources[0].cost, CostRule::Llm(rule));
    assert!(config.reads_bodies() && config.resources[0].is_estimated());
    let problems = Config::parse(text.as_bytes()).unwrap_err();
    assert!(problems[0].to_string().contains("load tidegate-llm.wasm"), "{problems:?}");
}

#[test]
fn what_does_not_go_with_llm_is_said() {
    let text = r#"{
  "resources": { "llm_tokens": {
    "cost": { "llm": { "bytes_per_token": 0, "tokens": 1 } },
    "settle": { "response_header": "x-total-tokens" } } },
  "rules": [{ "name": "a", "match": {}, "costs": { "llm_tokens": { "llm": {} } } }]
}"#;
    let problems =
        Config::parse_for(text.as_bytes(), Shell { is_proxy: true, reads_bodies: true }).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "line 3, resources.llm_tokens.cost.llm.bytes_per_token: must be a whole number from 1",
        "line 3, resources.llm_tokens.cost.llm.tokens: no such key",
        "line 5, rules[0].costs.llm_tokens: give the resource itself",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(told.len(), expected.len(), "{told:?}");
}

const PROXY: Shell = Shell { is_proxy: true, reads_bodies: false };

#[test]
fn what_a_proxy_can_do_is_read() {
    let text = r#"{
        "resources": { "tokens": { "settle": { "response_trailer": "X-Total", "response_header": "x-total" } } },
        "warn_above": 0.85, "decision_ids": true, "alternatives": true,
        "on_refusal": { "tag": { "X-Over": "1" } },
        "debug": { "token": "0123456789abcdef" },
        "rules": [{ "name": "a", "match": {}, "on_refusal": { "reroute": { "cluster": "b" } } }]
    }"#;
    let config = Config::parse_for(text.as_bytes(), PROXY).unwrap();
    let tokens = &config.resources[0];
    assert_eq!(
        (tokens.settle_trailer.as_deref(), tokens.settle_header.as_deref()),
        (Some("x-total"), Some("x-total"))
    );
    assert!(tokens.is_estimated() && config.reads_trailers() && config.decision_ids && config.alternatives);
    assert_eq!(config.warn_above_permille, Some(850));
    let on_refusal =
        |what, name: &str, value: &str| OnRefusal { what, headers: vec![(name.into(), value.into())] };
    assert_eq!(config.on_refusal, Some(on_refusal(Instead::Tag, "x-over", "1")));
    assert_eq!(config.rules[0].on_refusal, Some(on_refusal(Instead::Reroute, "x-tidegate-cluster", "b")));
    assert_eq!(config.own_headers, ["x-over", "x-tidegate-cluster"]);
    assert_eq!(config.debug, Some(Debug { path: "/tidegate/".into(), token: "0123456789abcdef".into() }));
}

#[test]
fn mistakes_in_what_only_a_proxy_can_do_are_told() {
    let text = r#"{
  "resources": { "tokens": { "settle": {} } },
  "warn_above": 1.5,
  "on_refusal": { "tag": {}, "downgrade": { "header": "a b" }, "reroute": { "cluster": "c" } },
  "debug": { "path": "tidegate", "token": "short" },
  "rules": [{ "name": "a", "match": {}, "on_refusal": {} },
    { "name": "b", "match": {}, "on_refusal": { "tag": { "x y": "1", "ok": "\n" } } },
    { "name": "c", "match": {}, "on_refusal": { "tag": { "x": "1", "X": "2" } } }]
}"#;
    let problems = Config::parse_for(text.as_bytes(), PROXY).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in [
        "line 2, resources.tokens.settle: give response_header or response_trailer, or both",
        "line 3, warn_above: must be above 0 and at most 1",
        "line 4, on_refusal: give tag, or one of downgrade and reroute",
        "line 4, on_refusal.tag: give at least one header",
        "line 4, on_refusal.downgrade: cluster is missing",
        "line 4, on_refusal.downgrade.header: is not the name of a header",
        "line 5, debug.path: must begin and end with a slash",
        "line 5, debug.token: can be guessed",
        "line 6, rules[0].on_refusal: give tag, or one of downgrade and reroute",
        "line 7, rules[1].on_refusal.tag.x y: is not the name of a header",
        "line 7, rules[1].on_refusal.tag.ok: has characters that a header cannot have",
        "line 8, rules[2].on_refusal: sets the header `x` twice",
    ] {
        assert!(told.iter().any(|told| told.starts_with(expected)), "{expected}\n{}", told.join("\n"));
    }
}

#[test]
fn other_shells_refuse_what_only_a_proxy_can_do() {
    let text = r#"{
  "resources": { "tokens": { "settle": { "response_trailer": "x" } } },
  "on_refusal": { "tag": { "x": "1" } },
  "debug": { "token": "0123456789abcdef" },
  "trial": {}
}"#;
    let problems = Config::parse(text.as_bytes()).unwrap_err();
    let told: Vec<(usize, &str)> =
        problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect();
    let needs = "is for the plugin in Envoy; leave it out here";
    assert_eq!(told, [(2, needs), (3, needs), (4, needs), (5, needs)]);
}

#[test]
fn a_trial_says_what_is_different_and_takes_the_rest() {
    let text = r#"{
        "key": [{ "header": "a" }], "class": "critical", "resources": { "requests": { "safe_capacity_per_s": 5 } },
        "trial": { "key": [{ "header": "b" }], "capacity": 0.25 }
    }"#;
    let config = Config::parse_for(text.as_bytes(), PROXY).unwrap();
    let trial = config.trial.clone().unwrap();
    assert_eq!((trial.capacity, &trial.config.key), (250, &vec![KeyPart::Header("b".into())]));
    assert_eq!(*trial.config, Config { key: trial.config.key.clone(), trial: None, ..config });

    let text = r#"{
  "rules": [{ "name": "a", "match": {}, "costs": { "requests": 2 } }],
  "trial": { "capacity": 2, "mode": "enforce",
    "resources": { "tokens": {} } }
}"#;
    let problems = Config::parse_for(text.as_bytes(), PROXY).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in [
        "line 3, trial: has other resources than the live policy, so give it rules of its own",
        "line 3, trial.capacity: must be above 0 and at most 1",
        "line 3, trial.mode: no such key; allowed here: key, class, resources, rules, capacity",
    ] {
        assert!(told.iter().any(|told| told == expected), "{expected}\n{}", told.join("\n"));
    }
}

#[test]
fn details_say_by_line_what_is_wrong_with_them() {
    let text = r#"{
  "access_log": "yes",
  "details": {
    "region": { "header": "x region" },
    "account_type": {},
    "cpu_us": { "header": "x-cpu" },
    "memory_bytes": {},
    "duration_ms": 1,
    "regions": true
  }
}"#;
    let told: Vec<String> =
        Config::parse_for(text.as_bytes(), PROXY).unwrap_err().iter().map(ToString::to_string).collect();
    for part in [
        "line 2, access_log:",
        "line 4, details.region",
        "line 5, details.account_type",
        "line 6, details.cpu_us",
        "line 7, details.memory_bytes",
        "line 8, details.duration_ms",
        "line 9, details.regions: no such key",
    ] {
        assert!(told.iter().any(|told| told.starts_with(part)), "{part}\nis missing in\n{}", told.join("\n"));
    }
    let here = Config::parse(br#"{ "details": {}, "access_log": true }"#).unwrap_err();
    assert_eq!(here.len(), 2, "a gateway has neither: {here:?}");
}
