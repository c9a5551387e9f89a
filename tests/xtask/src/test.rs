//! `cargo xtask test`: set-up, then `cargo test` over the native crates with Envoy, plugin and forecaster at hand.

use anyhow::Result;

use crate::{layout::Layout, run, setup};

/// Arguments go to `cargo test` as they are.
pub(crate) fn test(layout: &Layout, args: &[String]) -> Result<()> {
    // The same selection of targets as `cargo test` makes, so that nothing is compiled twice.
    let ready = setup::prepare(layout, &["--lib", "--bins", "--tests"])?;
    run::run(ready.tell(run::cargo().current_dir(layout.root()).arg("test").args(args)))
}
