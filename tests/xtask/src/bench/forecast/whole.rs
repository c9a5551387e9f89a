//! `auto` on every window of the series but their first part: a few windows of one series, in which neighbours are alike, say little of
//! how often values are in intervals.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Set, backtest, figure, name, row, told};
use crate::layout::Layout;

/// The scores of `auto`.
pub(super) fn score(layout: &Layout, set: &Set, folder: &Path) -> Result<Value> {
    let mut ours = backtest(layout, set, folder);
    for (option, value) in [("--horizon", set.horizon), ("--step", set.horizon), ("--windows", set.in_all)] {
        ours.arg(option).arg(value.to_string());
    }
    let models = told(ours.args(["--model", "auto"]))?;
    println!(
        "\n{:<20} {:>12} {:>12} {:>12} {:>12}  whole series",
        set.name, "coverage_80", "coverage_95", "pit_80", "pit_95"
    );
    for model in &models {
        let figures = ["coverage_80", "coverage_95", "pit_80", "pit_95"]
            .map(|one| format!(" {:>12.4}", figure(model, one)));
        println!("{:<20}{}", name(model), figures.concat());
    }
    models.into_iter().find(|model| name(model) == "auto").context("the backtest told nothing of `auto`")
}

/// How far the coverage of the median series is from what it should be.
pub(super) fn judge(set: &Set, auto: &Value) -> Vec<Value> {
    let of = |measure| {
        let off = figure(auto, &format!("{measure}_off"));
        row(&format!("{} {measure}, whole series: distance, median series", set.name), off, 0.05, None)
    };
    ["pit_80", "pit_95"].map(of).into()
}
