//! `cargo xtask demo`: set-up, then this process becomes the demo, so that Ctrl-C and the exit code are the demo's own.

use std::{os::unix::process::CommandExt, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    layout::Layout,
    run,
    setup::{self, envoy},
};

/// Runs through the example gateway instead of Envoy.
const GATEWAY: &str = "--gateway";
/// Runs through both.
const BOTH: &str = "--both";

/// Does not return when the demo starts.
pub(crate) fn demo(layout: &Layout, args: &[String]) -> Result<()> {
    let is_given = |wanted: &str| args.iter().any(|arg| arg == wanted);
    let mut demo = Command::new(layout.binary("demo"));
    demo.args(args);
    let envoy = if is_given(GATEWAY) { None } else { find_envoy(layout, is_given(BOTH))? };
    if envoy.is_none() && !is_given(GATEWAY) {
        demo.arg(GATEWAY);
    }
    setup::prepare(layout, envoy, &["--bins"])?.tell(&mut demo);
    run::announce(&demo);
    bail!("cannot start the demo: {}", demo.exec());
}

/// Envoy, where it can be had; where it cannot, the gateway does, if Envoy is not needed.
fn find_envoy(layout: &Layout, is_needed: bool) -> Result<Option<PathBuf>> {
    match envoy::find_or_install(layout) {
        Ok(envoy) => Ok(Some(envoy)),
        Err(error) if is_needed => Err(error).context("comparing with Envoy needs Envoy"),
        Err(error) => {
            eprintln!("no Envoy here ({error:#}): the demo runs through the example gateway ({GATEWAY})");
            Ok(None)
        }
    }
}
