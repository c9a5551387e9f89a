//! Set-up: what tests and demo need beyond a Rust toolchain, and how they are told where it is.

pub(crate) mod apt;
pub(crate) mod envoy;
pub(crate) mod wasm;

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{layout::Layout, run};

/// Everything outside the workspace's native binaries that the end-to-end rig drives.
pub(crate) struct Ready {
    envoy: Option<PathBuf>,
    plugin: PathBuf,
    component: PathBuf,
    forecaster: PathBuf,
    gateway: PathBuf,
}

/// Builds plugin and component, then runs the given cargo build.
pub(crate) fn prepare(layout: &Layout, envoy: Option<PathBuf>, build: &[&str]) -> Result<Ready> {
    for built in wasm::build_all(layout, false)? {
        eprintln!("{built}");
    }
    run::run(run::cargo().current_dir(layout.root()).arg("build").args(build))?;
    let (plugin, component) = (layout.plugin(), layout.component());
    let (forecaster, gateway) = (layout.binary("tidegate"), layout.binary("custom-gateway"));
    Ok(Ready { envoy, plugin, component, forecaster, gateway })
}

impl Ready {
    /// Tells a process of the rig where everything is.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Some(envoy) = &self.envoy {
            command.env("TIDEGATE_ENVOY", envoy);
        }
        command
            .env("TIDEGATE_WASM", &self.plugin)
            .env("TIDEGATE_COMPONENT", &self.component)
            .env("TIDEGATE_FORECASTER", &self.forecaster)
            .env("TIDEGATE_GATEWAY", &self.gateway)
    }
}
