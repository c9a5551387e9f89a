//! The bench of Envoy, short: every limiter that it compares starts, lets its requests pass, and has its row.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_e2e::folder;

use crate::{program, world};

/// Rows of limiters on the routes `direct`, `proxied` and `model`.
const DIRECT: usize = 8;
const PROXIED: usize = 8;
const MODEL: usize = 3;

#[tokio::test]
async fn every_limiter_of_the_bench_lets_requests_pass_and_has_its_row() -> Result<()> {
    let _turn = world::turn().await?;
    let words = ["--rounds", "1", "--requests", "100", "--warm-up", "100", "--folder", "short-bench"];
    let (success, printed) = program::run(env!("CARGO_BIN_EXE_envoy-bench"), &words).await?;
    assert!(success, "{printed}");
    let rows =
        fs::read_to_string(folder::target()?.join("short-bench/envoy.json")).context(printed.clone())?;
    let rows: Vec<Value> = serde_json::from_str(&rows)?;
    let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    let of = |route: &str| ids.iter().filter(|id| id.ends_with(route)).count();
    assert_eq!([of(", direct"), of(", proxied"), of(", model")], [DIRECT, PROXIED, MODEL], "{ids:?}");
    for row in &rows {
        let id = row["id"].as_str().context("no id")?;
        assert!(row["cpu_us"].as_f64().is_some_and(|cpu_us| cpu_us > 0.0), "{row}");
        assert!(row["figure"].is_f64() && row["peer"].is_f64(), "{row}");
        assert!(printed.contains(id), "{id} is not printed: {printed}");
    }
    Ok(())
}
