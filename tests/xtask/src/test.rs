//! `cargo xtask test`: set-up, then `cargo test` over the native crates with Envoy, plugin and forecaster at hand.

use anyhow::Result;

use crate::{
    layout::Layout,
    run,
    setup::{self, apt, envoy, wasm},
};

/// Arguments go to `cargo test` as they are.
pub(crate) fn test(layout: &Layout, args: &[String]) -> Result<()> {
    // The same selection of targets as `cargo test` makes, so that nothing is compiled twice.
    let ready =
        setup::prepare(layout, Some(envoy::find_or_install(layout)?), &["--lib", "--bins", "--tests"])?;
    // For the test that steps the forecaster's clock; without it that test says that it was skipped.
    if apt::available() {
        apt::ensure(&["faketime"])?;
    }
    wasm::build_all(layout, true)?;
    let mut cargo = run::cargo();
    // A failed test says what is wrong in a sentence; where the sentence was made up is noise.
    cargo.current_dir(layout.root()).env("RUST_LIB_BACKTRACE", "0").arg("test").args(args);
    cargo.env("TIDEGATE_WASM_CRASHING", layout.crashing_plugin());
    cargo.env("TIDEGATE_WASM_LLM", layout.llm_plugin());
    cargo.env("TIDEGATE_WASM_CONFORMANCE", layout.conformance_guest());
    cargo.env("TIDEGATE_COMPONENT_CRASHING", layout.crashing_component());
    run::run(ready.tell(&mut cargo))
}
