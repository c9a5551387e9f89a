//! Debian packages, installed only where that needs no questions: as root, with apt-get at hand.

use std::{io, os::unix::fs::MetadataExt, process::Command};

use anyhow::{Context, Result, bail};

use crate::run;

/// Whether packages can be installed here.
pub(crate) fn available() -> bool {
    // The owner of our own /proc entry is the effective user.
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    root && run::which("apt-get").is_some()
}

/// Makes sure that Debian packages are installed, or says who can do it how.
pub(crate) fn ensure(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !available() {
        bail!(
            "missing: {names}; install with `sudo apt-get install {names}` (or what your system calls them)"
        );
    }
    // The lists of a fresh machine are empty or old: only fetch them when the first try says so.
    if install(&missing).is_err() {
        run::run(apt_get().args(["-q", "update"]))?;
        install(&missing).with_context(|| format!("Debian packages {names}"))?;
    }
    Ok(())
}

/// Brings installed packages up to the newest there are. A machine may have had lists of some of its sources only, and so
/// have installed what another source has newer.
pub(crate) fn renew(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if !available() {
        bail!("too old: {names}; renew with `sudo apt-get update` and `sudo apt-get install {names}`");
    }
    run::run(apt_get().args(["-q", "update"]))?;
    install(packages).with_context(|| format!("newer Debian packages {names}"))
}

fn installed(package: &str) -> bool {
    let query = ["--show", "--showformat=${db:Status-Abbrev}", package];
    run::capture(Command::new("dpkg-query").args(query)).is_ok_and(|status| status.starts_with("ii"))
}

fn install(packages: &[&str]) -> Result<()> {
    run::run(apt_get().args(["-q", "-y", "--no-install-recommends", "install"]).args(packages))
}

/// Asks nothing, and leaves standard output to the command that needs the packages.
fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdout(io::stderr());
    command
}
