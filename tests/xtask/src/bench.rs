//! `cargo xtask bench SUITE`: measures, sets each figure beside its budget and its peer of the same run, and writes
//! JSON rows to `target/bench/`.

mod forecast;
mod rows;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{layout::Layout, run};
use rows::{CORE, HOST, Row, Source};

use crate::setup::{self, envoy, wasm};

/// What was measured for one row.
struct Measured {
    row: &'static Row,
    figure: f64,
    peer: Option<f64>,
}

impl Measured {
    fn met(&self) -> bool {
        self.figure <= self.row.budget
    }
}

/// Runs the benches of a suite and prints the table. A budget that is not met is shown, it is no failure: machines
/// differ, and so do ratios to the peer.
pub(crate) fn bench(layout: &Layout, suite: &str, only: &[String]) -> Result<()> {
    match suite {
        "core" => table(layout, suite, CORE, &run_core(layout)?, "the peer is governor's keyed limiter"),
        "host" => {
            let peers = "the peer is the core in native code, or governor's keyed limiter";
            table(layout, suite, HOST, &run_host(layout)?, peers)
        }
        "envoy" => run_envoy(layout),
        "forecast" => forecast::bench(layout, only),
        "shares" => run_shares(layout),
        _ => bail!("there is no suite `{suite}`; the suites are: core, envoy, forecast, host, shares"),
    }
}

fn table(layout: &Layout, suite: &str, rows: &'static [Row], memory: &str, peers: &str) -> Result<()> {
    let measured: Result<Vec<Measured>> = rows.iter().map(|row| measure(layout, row, memory)).collect();
    let measured = measured?;
    println!("\n{suite:<52} {:>10} {:>10} {:>10} {:>7}  ", "figure", "budget", "peer", "ratio");
    measured.iter().for_each(print);
    let path = layout.target().join("bench").join(format!("{suite}.json"));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let rows: Vec<Value> = measured.iter().map(to_json).collect();
    fs::write(&path, serde_json::to_string_pretty(&rows)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("\n{peers}, in the same run; rows written to {}", path.display());
    Ok(())
}

/// Returns what the memory test prints.
fn run_core(layout: &Layout) -> Result<String> {
    run::run(run::cargo().current_dir(layout.root()).args(["bench", "-p", "tidegate-core"]))?;
    let memory = ["test", "-q", "--release", "-p", "tidegate-core", "--test", "memory", "--", "--nocapture"];
    run::capture(run::cargo().current_dir(layout.root()).args(memory))
}

/// Returns what the bench says of memory. Without link-time optimisation: it would take the compiler in wasmtime an hour, and what
/// is measured is the code that this compiler makes.
fn run_host(layout: &Layout) -> Result<String> {
    let component =
        wasm::build(layout, wasm::Toolchain::from_env()?, wasm::Variant::Component, &layout.component())?;
    eprintln!("{component}");
    let bench = ["bench", "-p", "tidegate-conformance", "--bench", "host", "--profile", "release"];
    let mut cargo = run::cargo();
    run::run(cargo.current_dir(layout.root()).env("TIDEGATE_COMPONENT", layout.component()).args(bench))?;
    let memory = ["test", "-q", "--release", "-p", "tidegate-conformance", "--test", "gate", "memory"];
    let mut cargo = run::cargo();
    cargo.current_dir(layout.root()).env("TIDEGATE_COMPONENT", layout.component());
    run::capture(cargo.args(memory).args(["--", "--nocapture"]))
}

/// The rig makes the table itself: its figures are differences within a round.
fn run_envoy(layout: &Layout) -> Result<()> {
    let ready = setup::prepare(layout, Some(envoy::find_or_install(layout)?), &["--bins"])?;
    let mut bench = Command::new(layout.binary("envoy-bench"));
    bench.env("TIDEGATE_WASM_LLM", layout.llm_plugin());
    run::run(ready.tell(&mut bench))
}

/// Needs no plugin: its filter is a page of WebAssembly written by hand.
fn run_shares(layout: &Layout) -> Result<()> {
    let envoy = envoy::find_or_install(layout)?;
    let build = ["build", "-p", "tidegate-e2e", "--bin", "envoy-shares"];
    run::run(run::cargo().current_dir(layout.root()).args(build))?;
    run::run(Command::new(layout.binary("envoy-shares")).env("TIDEGATE_ENVOY", envoy))
}

fn measure(layout: &Layout, row: &'static Row, memory: &str) -> Result<Measured> {
    let figure = match row.source {
        Source::Criterion(id) => median_ns(layout, id)? * row.per_ns,
        Source::Memory(unit) => before(memory, unit)?,
    };
    let peer = row.peer.map(|id| median_ns(layout, id)).transpose()?.map(|peer| peer * row.per_ns);
    Ok(Measured { row, figure, peer })
}

/// The median that criterion has just written for a bench.
fn median_ns(layout: &Layout, id: &str) -> Result<f64> {
    let path = estimates(&layout.target().join("criterion"), id);
    let text = fs::read_to_string(&path).with_context(|| missing(id, &path))?;
    let estimates: Value =
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    estimates.pointer("/median/point_estimate").and_then(Value::as_f64).with_context(|| missing(id, &path))
}

/// Where criterion leaves the figures of a bench: a group has a folder of its own, any other slash becomes a part of the name.
fn estimates(criterion: &Path, id: &str) -> PathBuf {
    let alone = criterion.join(id.replace('/', "_")).join("new/estimates.json");
    if alone.is_file() { alone } else { criterion.join(id).join("new/estimates.json") }
}

fn missing(id: &str, path: &Path) -> String {
    format!("the bench `{id}` has left no figure in {}", path.display())
}

/// The number before `unit` in what a test printed.
fn before(text: &str, unit: &str) -> Result<f64> {
    let (head, _) = text.split_once(unit).with_context(|| format!("nothing was printed about `{unit}`"))?;
    let word = head.split_whitespace().last().unwrap_or_default();
    word.parse().with_context(|| format!("`{word}` before `{unit}` is no number"))
}

fn print(measured: &Measured) {
    let row = measured.row;
    let number = |value: f64| {
        if value < 10.0 { format!("{value:.2} {}", row.unit) } else { format!("{value:.0} {}", row.unit) }
    };
    let peer = measured.peer.map_or_else(|| "-".to_owned(), number);
    let ratio = measured.peer.map_or_else(|| "-".to_owned(), |peer| format!("{:.2}", measured.figure / peer));
    let verdict = if measured.met() { "met" } else { "NOT MET" };
    println!(
        "{:<52} {:>10} {:>10} {peer:>10} {ratio:>7}  {verdict}",
        row.what,
        number(measured.figure),
        number(row.budget)
    );
}

fn to_json(measured: &Measured) -> Value {
    json!({
        "id": measured.row.what,
        "figure": measured.figure,
        "unit": measured.row.unit,
        "budget": measured.row.budget,
        "peer": measured.peer,
        "met": measured.met(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_groups_and_outside() {
        let criterion = std::env::temp_dir().join(format!("tidegate-estimates-{}", std::process::id()));
        let leave = |folder: &str| {
            let folder = criterion.join(folder).join("new");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("estimates.json"), "{}").unwrap();
        };
        leave("apply/100000 keys");
        leave("decide_1000 hot keys");
        for id in ["apply/100000 keys", "decide/1000 hot keys"] {
            assert!(estimates(&criterion, id).is_file(), "{id}");
        }
        fs::remove_dir_all(&criterion).unwrap();
    }
}
