//! Requests with any headers: decided, counted once, and answered in well-formed HTTP.

use std::str;

use anyhow::Result;
use serde_json::Value;
use tidegate_conformance::Choices;
use tidegate_core::{
    Timestamp,
    attributes::Attributes,
    config::{Config, Mode, Shell},
    gate::{Gate, Label, Verdict},
    outcome::Response,
    report::Report,
    rules::KeyPart,
};
use tidegate_fuzz::{Fuzz, Notes};

use crate::{config::FULL, table};

type Headers = Vec<(String, Vec<u8>)>;

const START_MS: u64 = 1_767_225_600_000;
const NAMES: [&str; 12] = [
    ":path",
    ":method",
    ":authority",
    "x-customer",
    "X-Customer",
    "x-cost",
    "x-priority",
    "x-total-tokens",
    "",
    "cookie",
    ":",
    "x-customer\u{0}",
];
/// Values that rules look at more closely.
const VALUES: [&[u8]; 12] = [
    b"acme",
    b"",
    b"critical",
    b"DEFERRABLE",
    b"7",
    b" 12 ",
    b"-1",
    b"99999999999999999999999",
    b"\xff\xfe\x00",
    b"/a?b?c",
    b"|",
    b"\"\\\r\n",
];

fn configs() -> Vec<Config> {
    let texts = [
        FULL,
        r#"{"key": [{"header": "x-customer"}], "fail_mode": "open",
            "resources": {"requests": {"safe_capacity_per_s": 5, "safe_burst": 2}}}"#,
        r#"{"key": [], "resources": {"requests": {"cost": {"header": "x-cost"}, "safe_capacity_per_s": 1,
            "settle": {"response_header": "x-total-tokens"}}}}"#,
        r#"{"key": [{"path_templates": ["/a", "/b/{c}"]}, {"header": "x-customer"}], "shadow_tiers": ["bronze"],
            "resources": {"requests": {"cost": {"body_bytes_per_token": 3}, "safe_capacity_per_s": 4, "safe_burst": 9}},
            "rules": [
                {"name": "free", "match": {"headers": [{"name": "cookie", "prefix": "a"}]}, "skip": true},
                {"name": "a", "match": {"path_prefix": "/a", "methods": ["7"]}, "key": [{"path_segments": 1}],
                    "class": "critical", "costs": {"requests": {"header": "x-cost", "default": 2}}},
                {"name": "b", "match": {"authorities": ["acme"]}, "mode": "enforce"}]}"#,
        r#"{"key": [{"header": "x-customer"}], "warn_above": 0.5, "alternatives": true, "decision_ids": true,
            "resources": {"requests": {"safe_capacity_per_s": 5, "safe_burst": 2,
                "cost": {"header": "x-cost"}, "settle": {"response_trailer": "x-total-tokens"}}},
            "debug": {"path": "/a/", "token": "0123456789abcdef"},
            "rules": [{"name": "a", "match": {"headers": [{"name": "cookie"}]},
                "on_refusal": {"tag": {"x-priority": "low"}, "reroute": {"cluster": "b"}}}]}"#,
        "",
    ];
    let shell = Shell { is_proxy: true, reads_bodies: false };
    texts.iter().map(|text| Config::parse_for(text.as_bytes(), shell).unwrap()).collect()
}

fn headers(choices: &mut Choices<'_>) -> Headers {
    let mut list = Vec::new();
    for _ in 0..choices.below(6) {
        let name = choices.pick(&NAMES).to_owned();
        let value = match choices.below(16) {
            0 => vec![choices.below(256) as u8; 70_000],
            1..4 => (0..choices.below(12)).map(|_| choices.below(256) as u8).collect(),
            _ => choices.pick(&VALUES).to_vec(),
        };
        list.push((name, value));
    }
    list
}

/// Whether a part of the key is missing, by the words of the documentation.
fn is_anonymous(config: &Config, verdict: &Verdict, request: &Headers) -> bool {
    let value = |name: &str| request.as_slice().header(name).unwrap_or_default();
    let special = verdict.rule.and_then(|rule| config.rules[rule].key.as_ref());
    special.unwrap_or(&config.key).iter().any(|part| match part {
        KeyPart::Header(name) => value(name).is_empty(),
        KeyPart::Path | KeyPart::PathSegments(_) => {
            value(":path").split(|byte| *byte == b'?').next().is_none_or(<[u8]>::is_empty)
        }
        KeyPart::PathTemplates(_) => request.as_slice().header(":path").is_none(),
        KeyPart::SourceAddress | KeyPart::Property(_) => true,
        KeyPart::Method => value(":method").is_empty(),
        KeyPart::Authority => value(":authority").is_empty(),
        KeyPart::Constant(_) => false,
    })
}

fn check_response(response: &Response) {
    assert!(matches!(response.status, 429 | 503), "{response:?}");
    for (name, value) in &response.headers {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value}");
        if *name == "retry-after" {
            assert!(value.parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{value}");
        }
    }
    let body: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(body["status"], response.status);
}

/// One gate enforces, one only looks on: they must decide alike.
struct Pair {
    enforce: Gate,
    shadow: Gate,
}

impl Pair {
    fn admit(&mut self, request: &Headers, holds: bool, now: Timestamp) -> (Verdict, Verdict) {
        let verdict = self.enforce.admit(request.as_slice(), holds, now);
        let shadow = self.shadow.admit(request.as_slice(), holds, now);
        assert_eq!((shadow.label, shadow.tier, shadow.rule), (verdict.label, verdict.tier, verdict.rule));
        // A rule may enforce what the rest does not.
        assert!(shadow.mode == Mode::Enforce || (shadow.response.is_none() && shadow.ticket.is_none()));
        let refused =
            matches!(verdict.label, Label::RefusedContract | Label::RefusedPool | Label::FailClosed);
        let bites = verdict.mode == Mode::Enforce;
        assert_eq!(verdict.response.is_some(), refused && bites, "{verdict:?}");
        assert_eq!(verdict.ticket.is_some(), verdict.label == Label::Waiting && bites, "{verdict:?}");
        assert!(holds || verdict.label != Label::Waiting, "{verdict:?}");
        if verdict.label != Label::Skipped {
            let expected = is_anonymous(self.enforce.config(), &verdict, request);
            assert_eq!(verdict.anonymous, expected, "{request:?}");
        }
        if let Some(response) = &verdict.response {
            check_response(response);
        }
        let marked = matches!(verdict.label, Label::Tagged | Label::Downgraded | Label::Rerouted);
        let sets = verdict.request_headers.iter().any(|(_, value)| value.is_some());
        assert_eq!(sets, marked && bites, "{verdict:?}");
        assert!(self.enforce.answer(request.as_slice(), now).is_none_or(|answer| answer.status == 401));
        (verdict, shadow)
    }

    /// Whose time has come goes on in both alike.
    fn release(&mut self, now: Timestamp, notes: &mut Notes) {
        loop {
            let [one, other] = [&mut self.enforce, &mut self.shadow]
                .map(|gate| gate.release(now).map(|(ticket, verdict)| (ticket, verdict.label, verdict.tier)));
            assert_eq!(one, other);
            let Some((_, label, _)) = one else { return };
            notes.add(format!("released {label:?}"));
        }
    }
}

fn serve(input: &[u8], notes: &mut Notes, configs: &[Config], tables: &[Vec<u8>]) {
    let mut choices = Choices::of_bytes(input);
    let config = configs[choices.below(configs.len() as u64) as usize].clone();
    let mut now = Timestamp::from_millis(START_MS);
    let mut pair = Pair {
        shadow: Gate::new(Config { mode: Mode::Shadow, ..config.clone() }, now),
        enforce: Gate::new(Config { mode: Mode::Enforce, ..config }, now),
    };
    let (mut requests, mut open) = (0, Vec::new());
    while !choices.is_exhausted() {
        match choices.below(8) {
            0 => {
                now = now.plus(choices.below(3_000_000_000));
                pair.release(now, notes);
            }
            1 => {
                let table = &tables[choices.below(tables.len() as u64) as usize];
                let applied =
                    [&mut pair.enforce, &mut pair.shadow].map(|gate| gate.allocator_mut().apply(table, now));
                assert_eq!(applied[0], applied[1]);
            }
            2 if !open.is_empty() => {
                let response = headers(&mut choices);
                let (one, other) = open.swap_remove(choices.below(open.len() as u64) as usize);
                notes.add(format!("settled by {}", response.len()));
                pair.enforce.settle(one, response.as_slice(), now);
                pair.shadow.settle(other, response.as_slice(), now);
            }
            _ => {
                let holds = choices.below(4) > 0;
                let (verdict, shadow) = pair.admit(&headers(&mut choices), holds, now);
                requests += u64::from(verdict.label != Label::Skipped);
                let status = verdict.response.map(|response| response.status);
                notes.add(format!("{:?} {} {status:?}", verdict.label, verdict.anonymous));
                notes.add(format!("receipt {}", verdict.receipt.is_some()));
                open.extend(verdict.receipt.zip(shadow.receipt));
            }
        }
    }
    check_report(pair.enforce.allocator_mut().report(1), requests);
}

/// Every request is counted once, and names are cut.
fn check_report(report: Option<Report>, requests: u64) {
    let Some(report) = report else { return assert_eq!(requests, 0, "nothing was counted") };
    assert_eq!(Report::decode(&report.encode()).as_ref(), Ok(&report));
    let of_first = report.records.iter().filter(|record| record.resource == 0);
    assert_eq!(of_first.map(|record| record.usage.requests_offered).sum::<u64>(), requests);
    // What is no UTF-8 becomes a mark of three bytes.
    assert!(report.keys.iter().all(|key| key.len() <= 3 * 256));
}

#[test]
fn any_headers_are_decided_counted_and_answered() -> Result<()> {
    let (configs, mut tables) = (configs(), table::seeds());
    tables.truncate(16);
    let seeds = (0..12).map(|seed| {
        let mut choices = Choices::seeded(seed);
        (0..600).map(|_| choices.below(256) as u8).collect()
    });
    Fuzz::target("gate", 500).seeds(seeds).run(|input, notes| serve(input, notes, &configs, &tables))
}
