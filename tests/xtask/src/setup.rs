//! Set-up: what tests and demo need beyond a Rust toolchain, and how they are told where it is.

pub(crate) mod apt;
pub(crate) mod envoy;
pub(crate) mod wasm;

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{layout::Layout, run};

/// Everything outside the workspace's native binaries that the end-to-end rig drives.
pub(crate) struct Ready {
    envoy: PathBuf,
    plugin: PathBuf,
    forecaster: PathBuf,
}

/// Finds Envoy, builds the plugin, then runs the given cargo build.
pub(crate) fn prepare(layout: &Layout, build: &[&str]) -> Result<Ready> {
    let envoy = envoy::find_or_install(layout)?;
    let toolchain = wasm::Toolchain::from_env()?;
    eprintln!("{}", wasm::build(layout, toolchain, wasm::Variant::Plugin, &layout.plugin())?);
    run::run(run::cargo().current_dir(layout.root()).arg("build").args(build))?;
    Ok(Ready { envoy, plugin: layout.plugin(), forecaster: layout.binary("tidegate") })
}

impl Ready {
    /// Tells a process of the rig where everything is.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("TIDEGATE_ENVOY", &self.envoy)
            .env("TIDEGATE_WASM", &self.plugin)
            .env("TIDEGATE_FORECASTER", &self.forecaster)
    }
}
