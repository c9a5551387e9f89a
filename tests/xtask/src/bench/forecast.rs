//! `cargo xtask bench forecast`: `tidegate backtest` beside statsforecast on the same windows of the same series.
//!
//! The data are no part of the project: `TIDEGATE_DATA` names their folder. Peers come from PyPI into a virtual
//! environment of `target/`. What peers forecast is scored by the same code as ours. With `TIDEGATE_PEERS=keep`, what they
//! forecast in an earlier run is taken as it is: they need hours where ours need minutes. How often values are in intervals is
//! asked of every window of the series too ([`whole`]), since the few that peers have time for say little of it.

mod pooled;
mod whole;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{layout::Layout, run};
use pooled::{COVERED, Pooled};

const DATA: &str = "TIDEGATE_DATA";
const KEEP: &str = "TIDEGATE_PEERS";
const PEERS: &str = "statsforecast==2.1.0";

/// One set of series and its windows.
struct Set {
    name: &'static str,
    horizon: u32,
    windows: u32,
    step: u32,
    /// Steps per season, as the commands take them; empty for none.
    seasons: &'static str,
    /// How many windows, one behind the other, there are after the first part of the series.
    in_all: u32,
}

const fn set(
    name: &'static str,
    horizon: u32,
    (windows, step): (u32, u32),
    seasons: &'static str,
    in_all: u32,
) -> Set {
    Set { name, horizon, windows, step, seasons, in_all }
}

const SETS: [Set; 7] = [
    set("m4", 48, (1, 48), "24,168", 12),
    set("azure", 30, (10, 10), "", 10),
    set("elb", 36, (20, 72), "288", 90),
    set("spikes", 36, (20, 72), "288", 90),
    set("servegen", 36, (6, 36), "144", 24),
    set("tweets", 36, (20, 72), "288", 400),
    set("twitter", 60, (24, 360), "1440", 400),
];
const M4_OWA: f64 = 0.60;
/// What `auto` may lose against the best single model of ours.
const ALLOWANCE: f64 = 1.02;
const AGREES: f64 = 0.0005;

/// Runs all sets, or those named, prints the tables and writes the rows.
pub(crate) fn bench(layout: &Layout, only: &[String]) -> Result<()> {
    let Some(data) = env::var_os(DATA).map(PathBuf::from) else {
        println!(
            "{DATA} is not set: there is nothing to forecast. It names the folder of the development data."
        );
        return Ok(());
    };
    let folder = layout.target().join("bench/forecast");
    let python = python(layout)?;
    let scripts = layout.root().join("tests/forecast");
    run::run(Command::new(&python).arg(scripts.join("prepare.py")).arg(&data).arg(&folder))?;
    run::run(run::cargo().current_dir(layout.root()).args(["build", "--release", "-p", "tidegate"]))?;
    let mut rows = Vec::new();
    let (mut pooled, mut in_all) = (Pooled::default(), Pooled::default());
    for set in SETS.iter().filter(|set| only.is_empty() || only.iter().any(|name| name == set.name)) {
        let models = scores(layout, set, &folder, &python, &scripts)?;
        rows.extend(judge(set, &models));
        pooled.add(set, &models);
        let auto = whole::score(layout, set, &folder)?;
        rows.extend(whole::judge(set, &auto));
        in_all.add(set, &[auto]);
        if set.name == "m4" {
            rows.extend(m4(set, &models, &folder, &python, &scripts)?);
        }
    }
    rows.push(pooled.spikes());
    rows.extend(pooled.coverage(""));
    rows.extend(in_all.coverage(", whole series"));
    println!("\n{:<60} {:>9} {:>9} {:>9}", "forecast", "figure", "budget", "peer");
    for row in &rows {
        let number =
            |name: &str| row.get(name).and_then(Value::as_f64).map_or("-".into(), |one| format!("{one:.4}"));
        let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
        let met = row.get("met").and_then(Value::as_bool) == Some(true);
        let verdict = if met { "met" } else { "NOT MET" };
        println!("{id:<60} {:>9} {:>9} {:>9}  {verdict}", number("figure"), number("budget"), number("peer"));
    }
    let path = layout.target().join("bench/forecast.json");
    fs::write(&path, serde_json::to_string_pretty(&rows)?).with_context(|| path.display().to_string())?;
    println!("\nrows written to {}", path.display());
    Ok(())
}

/// The Python of a virtual environment that has the peers.
fn python(layout: &Layout) -> Result<PathBuf> {
    let venv = layout.target().join("venv-forecast");
    let python = venv.join("bin/python");
    let has_peers = || run::capture(Command::new(&python).args(["-c", "import statsforecast"])).is_ok();
    if !has_peers() {
        run::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PEERS]))?;
    }
    Ok(python)
}

/// Every model of ours and every peer on a set, as `tidegate backtest --json` scores them.
fn scores(layout: &Layout, set: &Set, folder: &Path, python: &Path, scripts: &Path) -> Result<Vec<Value>> {
    let series = folder.join(format!("{}.csv", set.name));
    let peers = folder.join(format!("{}.peers.csv", set.name));
    let windows = [("--horizon", set.horizon), ("--windows", set.windows), ("--step", set.step)];
    let windows: Vec<String> =
        windows.into_iter().flat_map(|(option, value)| [option.to_owned(), value.to_string()]).collect();
    let mut peer = Command::new(python);
    peer.arg(scripts.join("peers.py"))
        .args([&series, &peers])
        .args(&windows)
        .args(["--seasons", set.seasons]);
    for threads in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"] {
        peer.env(threads, "1");
    }
    let kept = env::var_os(KEEP).is_some_and(|value| value == "keep") && peers.is_file();
    if !kept {
        run::run(&mut peer)?;
    }
    let mut ours = backtest(layout, set, folder);
    let models = told(ours.args(["--model", "all"]).args(&windows).arg("--against").arg(&peers))?;
    show(set, &models);
    Ok(models)
}

/// A backtest of a set, but for its models and windows.
fn backtest(layout: &Layout, set: &Set, folder: &Path) -> Command {
    let mut ours = Command::new(layout.target().join("release/tidegate"));
    ours.args(["backtest", "--json", "--freq", "1", "--input"]).arg(folder.join(format!("{}.csv", set.name)));
    ours.args(["--season", if set.seasons.is_empty() { "1" } else { set.seasons }]);
    ours
}

/// The scores that a backtest tells.
fn told(backtest: &mut Command) -> Result<Vec<Value>> {
    let told: Value = serde_json::from_str(&run::capture(backtest)?)?;
    told.get("models").and_then(Value::as_array).cloned().context("the backtest told no models")
}

fn show(set: &Set, models: &[Value]) {
    let measures = ["mase", "mase_median", "wql", "wql_median", "coverage_80", "coverage_95"];
    let head: String = measures.iter().map(|measure| format!(" {measure:>12}")).collect();
    println!("\n{:<20}{head}", set.name);
    for model in models {
        let figures: String =
            measures.iter().map(|measure| format!(" {:>12.4}", figure(model, measure))).collect();
        println!("{:<20}{figures}", name(model));
    }
}

fn figure(model: &Value, name: &str) -> f64 {
    model.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn name(model: &Value) -> &str {
    model.get("model").and_then(Value::as_str).unwrap_or_default()
}

/// Peers begin with a capital letter, ours do not.
fn is_peer(model: &Value) -> bool {
    name(model).starts_with(|first: char| first.is_ascii_uppercase())
}

fn judge(set: &Set, models: &[Value]) -> Vec<Value> {
    let Some(auto) = models.iter().find(|model| name(model) == "auto") else { return Vec::new() };
    let least = |peers: bool, measure: &str| {
        let others = models.iter().filter(|model| is_peer(model) == peers && name(model) != "auto");
        others.map(|model| figure(model, measure)).fold(f64::INFINITY, f64::min)
    };
    let mut rows = Vec::new();
    for measure in ["mase", "mase_median", "wql", "wql_median"] {
        let (of_auto, ours, peer) = (figure(auto, measure), least(false, measure), least(true, measure));
        rows.push(row(&format!("{} {measure}: auto, best peer", set.name), of_auto, peer, Some(peer)));
        let budget = ours * ALLOWANCE;
        rows.push(row(&format!("{} {measure}: auto, best single of ours", set.name), of_auto, budget, None));
    }
    // Sets of many series count together.
    let alone = !COVERED.contains(&set.name);
    for (measure, level) in [("coverage_80", 0.8), ("coverage_95", 0.95)].into_iter().filter(|_| alone) {
        let off = (figure(auto, measure) - level).abs();
        rows.push(row(&format!("{} {measure}: distance", set.name), off, 0.05, None));
    }
    for measure in ["pit_80", "pit_95"] {
        let of_series = figure(auto, &format!("{measure}_off"));
        rows.push(row(&format!("{} {measure}: distance, median series", set.name), of_series, 0.05, None));
    }
    rows
}

/// The competition's figure, and an independent computation of seasonal naive.
fn m4(set: &Set, models: &[Value], folder: &Path, python: &Path, scripts: &Path) -> Result<Vec<Value>> {
    let series = folder.join("m4.csv");
    let horizon = set.horizon.to_string();
    let mut script = Command::new(python);
    script.arg(scripts.join("m4.py")).arg(&series).args([&horizon, "24"]);
    let told: Value = serde_json::from_str(&run::capture(&mut script)?)?;
    let of = |method: &str, measure: &str| {
        told.pointer(&format!("/{method}/{measure}")).and_then(Value::as_f64).unwrap_or(f64::NAN)
    };
    let find = |wanted: &str| models.iter().find(|model| name(model) == wanted);
    let owa = |model: &Value| {
        (figure(model, "smape") / of("naive2", "smape") + figure(model, "mase") / of("naive2", "mase")) / 2.0
    };
    let peer = models.iter().filter(|model| is_peer(model)).map(owa).fold(f64::INFINITY, f64::min);
    let mut rows = Vec::new();
    if let Some(auto) = find("auto") {
        rows.push(row("m4 OWA: auto", owa(auto), M4_OWA, Some(peer)));
    }
    if let Some(naive) = find("seasonal-naive") {
        for measure in ["smape", "mase"] {
            let off = (figure(naive, measure) - of("seasonal_naive", measure)).abs();
            rows.push(row(
                &format!("m4 {measure}: seasonal naive, computed independently"),
                off,
                AGREES,
                None,
            ));
        }
    }
    Ok(rows)
}

fn row(id: &str, figure: f64, budget: f64, peer: Option<f64>) -> Value {
    json!({ "id": id, "figure": figure, "unit": "", "budget": budget, "peer": peer, "met": figure <= budget })
}
