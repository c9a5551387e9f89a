//! Where Envoy, the plugin and the forecaster are: as the set-up commands say by environment, else where they put them.

use std::{env, path::Path, path::PathBuf};

use anyhow::{Result, bail};

use crate::folder;

/// The parts under test.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// Envoy itself.
    pub envoy: PathBuf,
    /// The plugin that Envoy loads.
    pub plugin: PathBuf,
    /// The `tidegate` binary.
    pub forecaster: PathBuf,
}

impl Binaries {
    /// Finds all three.
    ///
    /// # Errors
    /// Names what is missing and the command that provides it.
    pub fn find() -> Result<Self> {
        let plugin = Self::find_plugin()?;
        Ok(Self { envoy: Self::find_envoy()?, plugin, forecaster: Self::find_forecaster()? })
    }

    /// Finds the plugin alone.
    ///
    /// # Errors
    /// Names the command that provides it.
    pub fn find_plugin() -> Result<PathBuf> {
        locate("TIDEGATE_WASM", &[folder::target()?.join("wasm/tidegate.wasm")])
    }

    /// Finds the plugin whose VM a request with the header `x-tidegate-crash` ends.
    ///
    /// # Errors
    /// Names the command that provides it.
    pub fn find_crashing_plugin() -> Result<PathBuf> {
        let place = folder::target()?.join("wasm/tidegate-crashing.wasm");
        locate("TIDEGATE_WASM_CRASHING", &[place])
    }

    /// Finds the plugin that reads bodies.
    ///
    /// # Errors
    /// Names the command that provides it.
    pub fn find_llm_plugin() -> Result<PathBuf> {
        locate("TIDEGATE_WASM_LLM", &[folder::target()?.join("wasm/tidegate-llm.wasm")])
    }

    /// Finds the module that plays the scripts of the conformance tests.
    ///
    /// # Errors
    /// Names the command that provides it.
    pub fn find_conformance_guest() -> Result<PathBuf> {
        let place = folder::target()?.join("wasm/tidegate-conformance.wasm");
        locate("TIDEGATE_WASM_CONFORMANCE", &[place])
    }

    /// Finds the component that gateways embed.
    ///
    /// # Errors
    /// Names the command that provides it.
    pub fn find_component() -> Result<PathBuf> {
        locate("TIDEGATE_COMPONENT", &[folder::target()?.join("wasm/tidegate.component.wasm")])
    }

    /// Finds the gateway of `examples/custom-gateway`.
    ///
    /// # Errors
    /// Names the command that provides it.
    pub fn find_gateway() -> Result<PathBuf> {
        locate("TIDEGATE_GATEWAY", &[folder::target()?.join("debug/custom-gateway")])
    }

    /// Finds the forecaster alone.
    ///
    /// # Errors
    /// Names the command that provides it.
    pub fn find_forecaster() -> Result<PathBuf> {
        locate("TIDEGATE_FORECASTER", &[folder::target()?.join("debug/tidegate")])
    }

    /// Finds Envoy alone.
    ///
    /// # Errors
    /// Names the command that provides it.
    pub fn find_envoy() -> Result<PathBuf> {
        let on_path =
            env::var_os("PATH").map(|path| env::split_paths(&path).map(|dir| dir.join("envoy")).collect());
        let mut places: Vec<PathBuf> = on_path.unwrap_or_default();
        if let Ok(pythons) = folder::target()?.join("venv-envoy/lib").read_dir() {
            places
                .extend(pythons.flatten().map(|python| python.path().join("site-packages/envoy/_bin/envoy")));
        }
        locate("TIDEGATE_ENVOY", &places)
    }
}

fn locate(variable: &str, places: &[PathBuf]) -> Result<PathBuf> {
    let chosen = env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let found = match &chosen {
        Some(chosen) => Some(chosen.as_path()).filter(|path| path.is_file()),
        None => places.iter().map(PathBuf::as_path).find(|path| path.is_file()),
    };
    match (found, &chosen) {
        (Some(found), _) => Ok(found.to_path_buf()),
        (None, Some(chosen)) => bail!("{variable}={}: no such file", chosen.display()),
        (None, None) => bail!(
            "{variable} is not set and there is no {}: run `cargo xtask test` or `cargo xtask demo`, which provide it",
            places.last().map_or(Path::new("default"), PathBuf::as_path).display()
        ),
    }
}
