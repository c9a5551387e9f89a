//! The plugin by Debian's toolchain for web browsers, which ships the library's source instead of a wasm sysroot.
//!
//! The standard library is compiled in the same cargo run as the plugin, under the same profile: it carries the
//! bitcode that link-time optimisation needs, and no sysroot can go stale. The first build takes a minute or two.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use super::{Variant, arguments, artifact};
use crate::{layout::Layout, run, setup::apt};

const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const LINKER: &str = "/usr/bin/wasm-ld";

/// The oldest Rust that compiles this workspace.
const NEEDED: &str = env!("CARGO_PKG_RUST_VERSION");

pub(super) fn build(layout: &Layout, variant: Variant) -> Result<PathBuf> {
    apt::ensure(&PACKAGES).context("Debian's WebAssembly toolchain")?;
    if !is_new_enough() {
        apt::renew(&PACKAGES).context("Debian's WebAssembly toolchain")?;
        if !is_new_enough() {
            bail!("Debian's newest rustc-web is older than Rust {NEEDED}, which this project needs");
        }
    }
    for tool in [RUSTC, CARGO, LINKER] {
        if !PathBuf::from(tool).is_file() {
            bail!("no {tool} although the packages {} are installed", PACKAGES.join(" "));
        }
    }
    let target_dir = layout.target().join("debian-wasm");
    let mut command = Command::new(CARGO);
    forget_other_toolchains(&mut command);
    command
        .current_dir(layout.root())
        .env("RUSTC", RUSTC)
        // Building the standard library is an unstable feature of cargo.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", LINKER)
        .env("CARGO_TARGET_DIR", &target_dir)
        .args(["build", "-Zbuild-std=std,panic_abort"])
        .args(arguments(variant));
    let package = variant.package();
    run::run(&mut command).with_context(|| format!("{package} does not build with Debian's toolchain"))?;
    Ok(artifact(&target_dir, variant))
}

fn is_new_enough() -> bool {
    let mut rustc = Command::new(RUSTC);
    forget_other_toolchains(&mut rustc);
    let told = run::capture(rustc.arg("--version")).unwrap_or_default();
    let version = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split(['.', '-']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let found = told.split_whitespace().nth(1).and_then(version);
    // Whoever cannot be asked fails in its own words.
    found.is_none() || found >= version(NEEDED)
}

/// rustup and the cargo that runs this command leave variables that would mix two toolchains.
fn forget_other_toolchains(command: &mut Command) {
    let foreign = |name: &str| {
        name.starts_with("RUSTUP_") || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(foreign) {
            command.env_remove(&name);
        }
    }
    for name in [
        "CARGO",
        "RUSTDOC",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "LD_LIBRARY_PATH",
        "RUST_RECURSION_COUNT",
    ] {
        command.env_remove(name);
    }
}
