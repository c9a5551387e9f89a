//! The plugin's configuration: understood, or refused with every problem at its line.

use anyhow::Result;
use tidegate_core::{Timestamp, config::Config, gate::Gate, table::MAX_RESOURCES};
use tidegate_fuzz::{Fuzz, Notes};

pub(crate) const FULL: &str = r#"{
  "mode": "enforce",
  "proxy": "edge-1",
  "key": [{ "header": "X-Customer" }, { "path": true }, { "method": true }, { "authority": true }, { "constant": "eu" }],
  "class": { "header": "x-priority" },
  "resources": {
    "requests": { "cost": 1, "safe_capacity_per_s": 200.5, "safe_burst": 100 },
    "llm_tokens": {
      "cost": { "header": "x-cost", "default": 100 },
      "settle": { "response_header": "x-total-tokens" },
      "safe_capacity_per_s": 50000
    }
  },
  "forecaster": { "cluster": "tidegate", "token": "secret",
    "public_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" },
  "fail_mode": "closed",
  "response_headers": true
}"#;

const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"null",
    b"true",
    b"false",
    b"\n",
    b"1e999",
    b"-0",
    b"1e-400",
    b"0.5",
    b"18446744073709551616",
    b"1099511627776",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\"mode\"",
    b"\"shadow\"",
    b"\"resources\"",
    b"\"cost\"",
    b"\"header\"",
    b"\"key\"",
    b"\"safe_burst\"",
    b"\"safe_capacity_per_s\"",
    b"\"settle\"",
    b"\"class\"",
    b"\"fail_mode\"",
    b"\"open\"",
    b"\"x\":{},",
    b"[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
];

fn parse(input: &[u8], notes: &mut Notes) {
    let parsed = Config::parse(input);
    assert_eq!(parsed, Config::parse(input), "the same bytes are understood the same");
    match parsed {
        Ok(config) => {
            assert!((1..=MAX_RESOURCES).contains(&config.resources.len()));
            assert_eq!(config.setup().resources.len(), config.resources.len());
            notes.add(format!("{:?} {:?} {}", config.mode, config.fail_mode, config.forecaster.is_some()));
            // It can be used at once.
            let nothing: [(String, Vec<u8>); 0] = [];
            Gate::new(config, Timestamp::default()).admit(
                nothing.as_slice(),
                true,
                Timestamp::from_millis(1),
            );
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal without a reason");
            let lines = input.iter().filter(|byte| **byte == b'\n').count() + 1;
            for problem in &problems {
                assert!((1..=lines).contains(&problem.line), "{problem} in {lines} lines");
                assert!(!problem.message.is_empty());
                let message = problem.message.split(['{', '"', '`']).next().unwrap_or_default();
                notes.add(message.chars().take(60).collect::<String>());
            }
            assert!(problems.is_sorted_by_key(|problem| problem.line));
        }
    }
}

#[test]
fn every_problem_has_a_line_and_a_reason() -> Result<()> {
    let seeds = ["", "{}", FULL, r#"{"resources":{"a":{},"b":{"cost":0}},"mode":"shadow"}"#];
    let seeds = seeds.map(|text| text.as_bytes().to_vec());
    Fuzz::target("config", 4_000).seeds(seeds).dictionary(WORDS).run(parse)
}

#[test]
fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
    for open in ["[", "{\"a\":"] {
        let text = format!("{{\"key\": {}", open.repeat(100_000));
        assert!(Config::parse(text.as_bytes()).is_err());
    }
}
