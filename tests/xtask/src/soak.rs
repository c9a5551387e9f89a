//! `cargo xtask soak`: the tests that find more the longer they run, run long.

use anyhow::Result;

use crate::{
    layout::Layout,
    run,
    setup::{envoy, wasm},
    stages::{self, Outcome, Stage},
};

const STAGES: [(&str, Stage); 2] = [("properties", properties), ("conformance", conformance)];

/// Cases of each property test of the core; usually 256.
const CASES: &str = "10000";
/// Scripts that every engine plays.
const SEEDS: &str = "200";

/// Runs every stage and prints what each took.
pub(crate) fn soak(layout: &Layout) -> Result<()> {
    stages::run("soak", layout, &STAGES)
}

fn properties(layout: &Layout) -> Result<Outcome> {
    let mut cargo = run::cargo();
    cargo.current_dir(layout.root()).env("PROPTEST_CASES", CASES);
    run::run(cargo.args(["test", "-p", "tidegate-core"]))?;
    Ok(Outcome::Passed)
}

fn conformance(layout: &Layout) -> Result<Outcome> {
    let envoy = envoy::find_or_install(layout)?;
    let guest = layout.conformance_guest();
    wasm::build(layout, wasm::Toolchain::from_env()?, wasm::Variant::Conformance, &guest)?;
    let paths = [("TIDEGATE_ENVOY", envoy), ("TIDEGATE_WASM_CONFORMANCE", guest)];
    let mut cargo = run::cargo();
    cargo.current_dir(layout.root()).envs(paths).env("TIDEGATE_CONFORMANCE_SEEDS", SEEDS);
    run::run(cargo.args(["test", "-p", "tidegate-conformance", "--", "--nocapture"]))?;
    Ok(Outcome::Passed)
}
