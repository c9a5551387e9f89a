//! Where things are: the workspace, its target directory and what set-up puts there.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The paths that every command works with.
pub(crate) struct Layout {
    root: PathBuf,
    target: PathBuf,
}

impl Layout {
    /// From the manifest of this very crate, so that the commands work in any current directory.
    pub(crate) fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest
            .ancestors()
            .nth(2)
            .with_context(|| format!("no workspace above {}", manifest.display()))?
            .to_path_buf();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self { root, target })
    }

    /// The workspace.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The Envoy plugin as tests, demo and examples load it.
    pub(crate) fn plugin(&self) -> PathBuf {
        self.target.join("wasm/tidegate.wasm")
    }

    /// The Envoy plugin that reads bodies.
    pub(crate) fn llm_plugin(&self) -> PathBuf {
        self.target.join("wasm/tidegate-llm.wasm")
    }

    /// The component that gateways embed.
    pub(crate) fn component(&self) -> PathBuf {
        self.target.join("wasm/tidegate.component.wasm")
    }

    /// The component that can be made to fail.
    pub(crate) fn crashing_component(&self) -> PathBuf {
        self.target.join("wasm/tidegate-crashing.component.wasm")
    }

    /// The plugin whose VM can be made to crash.
    pub(crate) fn crashing_plugin(&self) -> PathBuf {
        self.target.join("wasm/tidegate-crashing.wasm")
    }

    /// The module that plays the scripts of the conformance tests.
    pub(crate) fn conformance_guest(&self) -> PathBuf {
        self.target.join("wasm/tidegate-conformance.wasm")
    }

    /// A native binary of the dev profile.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }
}
