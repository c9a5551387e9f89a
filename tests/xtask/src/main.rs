//! The project's own commands, run as `cargo xtask <command>`.
//!
//! Everything that building, testing and showing Tidegate needs beyond a Rust toolchain is fetched here, pinned and
//! into `target/`, so that a fresh machine needs no instructions. Nothing but cargo's own output is built in release
//! mode: these commands are for the inner loop.

mod ci;
mod demo;
mod layout;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{layout::Layout, setup::wasm};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Build, test and show Tidegate", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the Envoy plugin: target/wasm/tidegate.wasm
    Wasm,
    /// Find or install Envoy and print the path of its binary
    Envoy,
    /// Four customers against a real Envoy, plugin and forecaster, in your terminal
    #[command(disable_help_flag = true)]
    Demo {
        /// Passed on: --once, --trace FILE, --speed N, --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// All tests of the workspace, end-to-end ones included
    #[command(disable_help_flag = true)]
    Test {
        /// Passed on to cargo test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// What continuous integration runs: format, lints, tests, documentation, fallback toolchain
    Ci,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    let layout = Layout::find()?;
    match command {
        Command::Wasm => {
            let built = wasm::build(&layout, wasm::Toolchain::from_env()?, &layout.plugin())?;
            println!("{built}");
            Ok(())
        }
        Command::Envoy => {
            println!("{}", setup::envoy::find_or_install(&layout)?.display());
            Ok(())
        }
        Command::Demo { args } => demo::demo(&layout, &args),
        Command::Test { args } => test::test(&layout, &args),
        Command::Ci => ci::ci(&layout),
    }
}
