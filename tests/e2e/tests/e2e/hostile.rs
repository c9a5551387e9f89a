//! The soak, short: requests that no good client would send, among plain ones.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_e2e::folder;

use crate::{program, world};

const REQUESTS: u64 = 30_000;
/// Of each buffer of fifty requests the last is hostile.
const HOSTILE: u64 = REQUESTS / 50;
/// How many ways there are of being hostile.
const WAYS: usize = 20;

#[tokio::test]
async fn hostile_requests_are_answered_and_counted_and_end_no_machine() -> Result<()> {
    let _turn = world::turn().await?;
    let words =
        ["--requests", &REQUESTS.to_string(), "--keys", "1000", "--minutes", "1", "--folder", "hostile"];
    let (_, printed) = program::run(env!("CARGO_BIN_EXE_envoy-soak"), &words).await?;
    let summary =
        fs::read_to_string(folder::target()?.join("hostile/envoy.json")).context(printed.clone())?;
    let summary: Value = serde_json::from_str(&summary)?;
    let checks = summary["checks"].as_array().context("no checks")?;
    for check in checks {
        // So short a run says nothing about memory: Envoy is still filling what it keeps.
        let is_of_long_runs = check["what"] == "Envoy's memory is flat";
        assert!(check["holds"] == true || is_of_long_runs, "{check}\n{printed}");
    }
    assert!(checks.len() >= 8, "{checks:?}");
    let ways = summary["hostile"].as_object().context("no hostile requests")?;
    let kinds: std::collections::BTreeSet<_> = ways.keys().filter_map(|way| way.split(' ').next()).collect();
    assert_eq!(kinds.len(), WAYS, "{kinds:?}");
    assert_eq!(ways.values().filter_map(Value::as_u64).sum::<u64>(), HOSTILE, "{ways:?}");
    assert_eq!(summary["requests"], REQUESTS);
    Ok(())
}
