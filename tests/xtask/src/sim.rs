//! `cargo xtask sim`: the simulation of leases, with its own options. Optimised, since it plays millions of requests.

use anyhow::Result;

use crate::{layout::Layout, run};

/// Arguments are the simulation's own.
pub(crate) fn sim(layout: &Layout, args: &[String]) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.current_dir(layout.root()).args(["run", "--quiet", "--release", "--package", "tidegate-sim", "--"]);
    run::run(cargo.args(args))
}
