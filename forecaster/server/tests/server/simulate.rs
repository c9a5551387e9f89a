//! `tidegate simulate` on a small file of rates.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Twenty customers over two days of 10 minute windows.
fn rates() -> String {
    let mut text = String::from("unique_id,ds,y\n");
    for customer in 0..20_u64 {
        for window in 0..288_u64 {
            let y = 300 / (1 + customer) + (window * 7 + customer * 13) % 20;
            text += &format!("c{customer},{},{y}\n", 1_767_225_600 + window * 600);
        }
    }
    text
}

fn simulate(rates: &str, arguments: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rates.csv");
    std::fs::write(&path, rates).unwrap();
    let short = ["--hours", "1", "--history-hours", "6", "--seeds", "1", "--rate", "2"];
    Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("simulate")
        .arg("--rates")
        .arg(path)
        .args(short)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn arms_are_compared_and_the_same_command_says_the_same() {
    let ask = ["--capacity", "1.1", "--scenario", "plain", "--arms", "tidegate,perfect", "--json"];
    let output = simulate(&rates(), &ask);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sections: Value = serde_json::from_slice(&output.stdout).unwrap();
    let arms = sections[0]["arms"].as_array().unwrap();
    let names: Vec<&str> = arms.iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!((names[0], names[2], names[3]), ("global", "tidegate", "perfect"));
    assert!(names[1].starts_with("priority 0.00/0.00/"), "{names:?}");
    assert_eq!(arms[0]["of_global"]["mean"], 100.0);
    assert!(!sections[0]["frontier"].as_array().unwrap().is_empty());
    assert_eq!(output.stdout, simulate(&rates(), &ask).stdout);
}

#[test]
fn what_cannot_be_done_is_told() {
    let told = |rates: &str, arguments: &[&str]| {
        let output = simulate(rates, arguments);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told(&rates(), &["--arms", "best"]).contains("--arms: there is no `best`; give static, global"));
    assert!(told(&rates(), &["--model", "crystal-ball"]).contains("there is no model `crystal-ball`; give"));
    assert!(
        told("unique_id,ds,y\na,60,1\na,120,x\n", &[])
            .contains("rates.csv: line 3, column y: is not a number")
    );
}

/// Two customers of two tiers, every request a second apart, far beyond the capacity.
fn trace() -> String {
    let row = |number: u64| {
        let key = if number.is_multiple_of(2) { "acme" } else { "batch" };
        format!("{},{key},requests,1\n", 1_767_225_600_000 + number * 100)
    };
    "ts,key,resource,cost\n".to_owned() + &(0..3_000).map(row).collect::<String>()
}

fn policy(capacity_per_s: u32) -> String {
    format!(
        "resources: {{ requests: {{ capacity_per_s: {capacity_per_s}, burst: 10, reservable_share: 0 }} }}\n\
         tiers: {{ gold: {{ weight: 8, max_delay_ms: 1000 }}, bronze: {{ weight: 1, floor: 0.2 }} }}\n\
         default_tier: bronze\n\
         customers: {{ acme: {{ tier: gold }} }}\n"
    )
}

#[test]
fn a_trace_is_replayed_against_several_policies_and_every_request_has_its_row() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let rows = folder.path().join("rows.csv");
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["simulate", "--json", "--no-frontier", "--arms", "tidegate", "--trace"])
        .arg(file("trace.csv", trace()))
        .arg("--policy")
        .arg(file("small.yaml", policy(6)))
        .arg("--policy")
        .arg(file("large.yaml", policy(60)))
        .arg("--history")
        .arg(file("history.csv", "unique_id,ds,y\nacme,1767220000,50\nacme,1767220600,50\n".into()))
        .arg("--output")
        .arg(&rows)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sections: Value = serde_json::from_slice(&output.stdout).unwrap();
    let arms = sections[0]["arms"].as_array().unwrap();
    let found: Vec<(&str, &str)> =
        arms.iter().map(|arm| (arm["policy"].as_str().unwrap(), arm["arm"].as_str().unwrap())).collect();
    let expected = [("small", "global"), ("small", "tidegate"), ("large", "global"), ("large", "tidegate")];
    assert_eq!(found, expected);
    assert_eq!(arms[3]["admitted"]["mean"], 100.0);
    assert!(arms[0]["upper_refused"]["mean"].as_f64().unwrap() > 20.0);
    assert_eq!(arms[1]["upper_refused"]["mean"], 0.0, "gold may wait");
    let rows = std::fs::read_to_string(rows).unwrap();
    assert_eq!(rows.lines().count(), 1 + 4 * 3_000);
    let refused = |row: &&str| {
        row.contains("small,tidegate,") && row.contains(",batch,bronze,") && row.contains(",refused,pool,")
    };
    assert!(rows.lines().filter(refused).count() > 500);
}
