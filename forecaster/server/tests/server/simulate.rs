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
