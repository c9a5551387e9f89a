//! `cargo xtask soak`: the tests that find more the longer they run, run long.

use std::process::Command;

use anyhow::Result;

use crate::{
    layout::Layout,
    run,
    setup::{self, envoy, wasm},
    stages::{self, Outcome, Stage},
};

const STAGES: [Stage; 5] = [properties, fuzz, conformance, hammer, envoy];
/// What the stages are called, in the same order.
pub(crate) const NAMES: [&str; 5] = ["properties", "fuzz", "conformance", "hammer", "envoy"];

/// Cases of each property test of the core; usually 256.
const CASES: &str = "10000";
/// Mutations for each fuzz target.
const MUTATIONS: &str = "50000";
/// How long eight threads hammer at a gate.
const HAMMER_SECONDS: &str = "60";
/// Scripts that every engine plays.
const SEEDS: &str = "200";
/// Requests to one Envoy.
const REQUESTS: &str = "5000000";

/// Runs every stage, or those named, and prints what each took.
pub(crate) fn soak(layout: &Layout, only: &[String]) -> Result<()> {
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    let stages: Vec<_> = NAMES.into_iter().zip(STAGES).filter(|(name, _)| is_wanted(name)).collect();
    stages::run("soak", layout, &stages)
}

fn properties(layout: &Layout) -> Result<Outcome> {
    run::run(optimised(layout, "tidegate-core").env("PROPTEST_CASES", CASES))?;
    Ok(Outcome::Passed)
}

fn fuzz(layout: &Layout) -> Result<Outcome> {
    let mut cargo = optimised(layout, "tidegate-fuzz");
    run::run(cargo.env("TIDEGATE_FUZZ_ITERATIONS", MUTATIONS).args(["--", "--nocapture"]))?;
    Ok(Outcome::Passed)
}

/// The tests of a crate, fast, but with the checks of the dev profile.
fn optimised(layout: &Layout, package: &str) -> Command {
    let mut cargo = run::cargo();
    for check in ["DEBUG_ASSERTIONS", "OVERFLOW_CHECKS"] {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{check}"), "true");
    }
    cargo.current_dir(layout.root()).args(["test", "--release", "-p", package, "--lib", "--tests"]);
    cargo
}

fn conformance(layout: &Layout) -> Result<Outcome> {
    let envoy = envoy::find_or_install(layout)?;
    let (guest, component) = (layout.conformance_guest(), layout.component());
    wasm::build(layout, wasm::Toolchain::from_env()?, wasm::Variant::Conformance, &guest)?;
    wasm::build(layout, wasm::Toolchain::from_env()?, wasm::Variant::Component, &component)?;
    let paths =
        [("TIDEGATE_ENVOY", envoy), ("TIDEGATE_WASM_CONFORMANCE", guest), ("TIDEGATE_COMPONENT", component)];
    let mut cargo = run::cargo();
    cargo.current_dir(layout.root()).envs(paths).env("TIDEGATE_CONFORMANCE_SEEDS", SEEDS);
    run::run(cargo.args([
        "test",
        "-p",
        "tidegate-conformance",
        "--test",
        "conformance",
        "--",
        "--nocapture",
    ]))?;
    Ok(Outcome::Passed)
}

/// In the dev profile: what is optimised in any case is the component.
fn hammer(layout: &Layout) -> Result<Outcome> {
    let toolchain = wasm::Toolchain::from_env()?;
    let (component, crashing) = (layout.component(), layout.crashing_component());
    wasm::build(layout, toolchain, wasm::Variant::Component, &component)?;
    wasm::build(layout, toolchain, wasm::Variant::CrashingComponent, &crashing)?;
    let mut cargo = run::cargo();
    cargo.current_dir(layout.root()).env("TIDEGATE_HAMMER_SECONDS", HAMMER_SECONDS);
    cargo.env("TIDEGATE_COMPONENT", component).env("TIDEGATE_COMPONENT_CRASHING", crashing);
    run::run(cargo.args(["test", "-p", "tidegate-host", "--test", "host", "threads", "--", "--nocapture"]))?;
    Ok(Outcome::Passed)
}

/// Memory and keys stay bounded in a real Envoy, and every request is counted.
fn envoy(layout: &Layout) -> Result<Outcome> {
    let ready = setup::prepare(layout, Some(envoy::find_or_install(layout)?), &["--bins"])?;
    let mut soak = Command::new(layout.binary("envoy-soak"));
    run::run(ready.tell(soak.args(["--requests", REQUESTS])))?;
    Ok(Outcome::Passed)
}
