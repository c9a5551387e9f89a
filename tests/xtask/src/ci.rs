//! `cargo xtask ci`: what continuous integration runs, in the order in which it fails fastest.

use anyhow::Result;

use crate::{
    layout::Layout,
    run,
    setup::{apt, envoy, wasm},
    stages::{self, Outcome, Stage},
    subcommands, tidy,
};

/// The crates that native builds leave out.
const WASM_CRATES: [&str; 3] = ["tidegate-envoy", "tidegate-component", "tidegate-conformance-guest"];

const STAGES: [(&str, Stage); 7] = [
    ("format", format),
    ("tidy", tidy),
    ("lint", lint),
    ("lint plugin", lint_plugin),
    ("test", test),
    ("document", document),
    ("debian toolchain", debian_toolchain),
];

/// Runs every stage, stops at the first that fails, and prints what each took.
pub(crate) fn ci(layout: &Layout) -> Result<()> {
    stages::run("ci", layout, &STAGES)
}

fn format(layout: &Layout) -> Result<Outcome> {
    cargo(layout, &["fmt", "--all", "--check"])
}

fn tidy(layout: &Layout) -> Result<Outcome> {
    if !layout.root().join(".git").exists() {
        return Ok(Outcome::Skipped("skipped: needs a git checkout"));
    }
    tidy::tidy(layout, &subcommands())?;
    Ok(Outcome::Passed)
}

fn lint(layout: &Layout) -> Result<Outcome> {
    cargo(layout, &["clippy", "--all-targets", "--", "-D", "warnings"])
}

fn lint_plugin(layout: &Layout) -> Result<Outcome> {
    // Adds the target if need be: the tests need the plugin in any case.
    wasm::build(layout, wasm::Toolchain::from_env()?, wasm::Variant::Plugin, &layout.plugin())?;
    if !wasm::native_toolchain_has_target(layout) {
        return Ok(Outcome::Skipped(
            "skipped: only Debian's toolchain has the plugin's target, and it has no clippy",
        ));
    }
    let [plugin, component, guest] = WASM_CRATES;
    let crates = ["clippy", "-p", plugin, "-p", component, "-p", guest];
    cargo(layout, &[&crates[..], &["--target", wasm::TARGET, "--", "-D", "warnings"]].concat())?;
    let llm = ["clippy", "-p", plugin, "--features", "llm", "--target", wasm::TARGET, "--", "-D", "warnings"];
    cargo(layout, &llm)
}

fn test(layout: &Layout) -> Result<Outcome> {
    cargo(layout, &["xtask", "test"])
}

fn document(layout: &Layout) -> Result<Outcome> {
    let doc = |args: &[&str]| {
        let mut cargo = run::cargo();
        cargo.current_dir(layout.root()).env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--no-deps"]);
        run::run(cargo.args(args))
    };
    doc(&[])?;
    if wasm::native_toolchain_has_target(layout) {
        let [plugin, component, guest] = WASM_CRATES;
        doc(&["-p", plugin, "-p", component, "-p", guest, "--target", wasm::TARGET])?;
    }
    Ok(Outcome::Passed)
}

/// The plugin of the fallback toolchain must build, and Envoy must obey it.
fn debian_toolchain(layout: &Layout) -> Result<Outcome> {
    if !apt::available() {
        return Ok(Outcome::Skipped("skipped: needs apt-get and root"));
    }
    let plugin = layout.target().join("debian-wasm/tidegate.wasm");
    println!("{}", wasm::build(layout, wasm::Toolchain::Debian, wasm::Variant::Plugin, &plugin)?);
    run::run(
        run::cargo()
            .current_dir(layout.root())
            .env("TIDEGATE_ENVOY", envoy::find_or_install(layout)?)
            .env("TIDEGATE_WASM", &plugin)
            .env("TIDEGATE_FORECASTER", layout.binary("tidegate"))
            .args(["test", "--test", "e2e", "enforcement"]),
    )?;
    Ok(Outcome::Passed)
}

fn cargo(layout: &Layout, args: &[&str]) -> Result<Outcome> {
    run::run(run::cargo().current_dir(layout.root()).args(args))?;
    Ok(Outcome::Passed)
}
