//! The plugin by the toolchain that runs this command, its WebAssembly target added by rustup when it is missing.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{TARGET, Variant, arguments, artifact};
use crate::{layout::Layout, run};

/// Whether the standard library for the plugin's target is installed, by rustup or otherwise.
pub(super) fn has_target(layout: &Layout) -> Result<bool> {
    let sysroot =
        run::capture(Command::new("rustc").current_dir(layout.root()).args(["--print", "sysroot"]))?;
    Ok(Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

/// Makes sure that the target can be compiled for.
pub(super) fn ensure_target(layout: &Layout) -> Result<()> {
    if has_target(layout)? {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    run::run(rustup.current_dir(layout.root()).args(["target", "add", TARGET]))?;
    if has_target(layout)? {
        Ok(())
    } else {
        anyhow::bail!("rustup added {TARGET} to another toolchain than cargo uses")
    }
}

pub(super) fn build(layout: &Layout, variant: Variant) -> Result<PathBuf> {
    // A directory for each variant of a crate, or they would take turns in being built anew.
    let target_dir = match variant {
        Variant::Plugin | Variant::Conformance | Variant::Component => layout.target().to_path_buf(),
        Variant::Llm => layout.target().join("llm-wasm"),
        Variant::Crashing | Variant::CrashingComponent => layout.target().join("crashing-wasm"),
    };
    let mut cargo = run::cargo();
    cargo
        .current_dir(layout.root())
        .arg("build")
        .args(arguments(variant))
        .arg("--target-dir")
        .arg(&target_dir);
    run::run(&mut cargo).with_context(|| format!("{} does not build", variant.package()))?;
    Ok(artifact(&target_dir, variant))
}
