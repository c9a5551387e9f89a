//! `tidegate check`, and `serve` with a file that cannot be used.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const FIVE_MISTAKES: &str = "\
listen: 127.0.0.1
forecast:
  step_s: 15
resources:
  requests: { capacity_per_s: 0, burst: 500 }
tiers:
  gold: { wieght: 8 }
default_tier: gold
customers:
  acme: { tier: platinum }
";

fn tidegate(config: &str, arguments: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tidegate.yaml");
    std::fs::write(&path, config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).arg("--config").arg(path).output().unwrap()
}

#[test]
fn five_mistakes_are_five_problems_with_their_lines() {
    let output = tidegate(FIVE_MISTAKES, &["check", "--json"]);
    assert!(!output.status.success());
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["ok"], false);
    let problems = verdict["problems"].as_array().unwrap();
    let found: Vec<(u64, &str)> = problems
        .iter()
        .map(|problem| (problem["line"].as_u64().unwrap(), problem["key"].as_str().unwrap()))
        .collect();
    let expected = [
        (1, "listen"),
        (3, "forecast.step_s"),
        (5, "resources.requests.capacity_per_s"),
        (7, "tiers.gold.wieght"),
        (10, "customers.acme.tier"),
    ];
    assert_eq!(found, expected);

    let output = tidegate(FIVE_MISTAKES, &["check"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("5 problems")
            && told.contains("line 7: tiers.gold.wieght: is unknown; did you mean `weight`?"),
        "{told}"
    );
}

#[test]
fn serve_does_not_start_with_mistakes_and_tells_them_all() {
    let output = tidegate(FIVE_MISTAKES, &["serve"]);
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().filter(|line| line.trim_start().starts_with("line ")).count(), 5, "{told}");
}

#[test]
fn a_good_file_is_summed_up() {
    let config = "resources: { requests: { capacity_per_s: 10, burst: 500 } }\ntiers: { gold: {} }\n";
    let output = tidegate(config, &["check", "--json"]);
    assert!(output.status.success());
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&verdict["ok"], &verdict["config"]["default_tier"]), (&true.into(), &"gold".into()));
    let told = String::from_utf8(tidegate(config, &["check"]).stdout).unwrap();
    assert!(told.contains("ok") && told.contains("seasons of 1440 steps"), "{told}");
}
