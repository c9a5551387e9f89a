//! `cargo xtask demo`: set-up, then this process becomes the demo, so that Ctrl-C and the exit code are the demo's own.

use std::{os::unix::process::CommandExt, process::Command};

use anyhow::{Result, bail};

use crate::{layout::Layout, run, setup};

/// Does not return when the demo starts.
pub(crate) fn demo(layout: &Layout, args: &[String]) -> Result<()> {
    let ready = setup::prepare(layout, &["--bins"])?;
    let mut demo = Command::new(layout.binary("demo"));
    ready.tell(&mut demo).args(args);
    run::announce(&demo);
    bail!("cannot start the demo: {}", demo.exec());
}
