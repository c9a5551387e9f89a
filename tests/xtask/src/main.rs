//! The project's own commands, run as `cargo xtask <command>`.
//!
//! Everything that building, testing and showing Tidegate needs beyond a Rust toolchain is fetched here, pinned and
//! into `target/`, so that a fresh machine needs no instructions. Only plugins, the simulation and what soaks
//! are built in release mode: the other commands are for the inner loop.

mod bench;
mod ci;
mod demo;
mod layout;
mod run;
mod setup;
mod sim;
mod soak;
mod stages;
mod test;
mod tidy;

use std::{env, process::ExitCode};

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::{layout::Layout, setup::wasm};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Build, test and show Tidegate", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the Envoy plugins and the component for gateways: target/wasm/tidegate.wasm, tidegate-llm.wasm and tidegate.component.wasm
    Wasm {
        /// Also the modules that only tests load
        #[arg(long)]
        all: bool,
    },
    /// Find or install Envoy and print the path of its binary
    Envoy,
    /// Four customers against a real Envoy (or a gateway), plugin and forecaster, in your terminal
    #[command(disable_help_flag = true)]
    Demo {
        #[command(flatten)]
        passed: Passed,
    },
    /// All tests of the workspace, end-to-end ones included
    #[command(disable_help_flag = true)]
    Test {
        #[command(flatten)]
        passed: Passed,
    },
    /// Measure a suite (core, envoy, forecast, host, shares), with budgets or peers in the same run
    Bench {
        /// The suite
        #[arg(default_value = "core")]
        suite: String,
        /// Parts of the suite, if it has any: sets of series
        only: Vec<String>,
    },
    /// Compare ways of sharing a budget among workers and proxies, on virtual time
    #[command(disable_help_flag = true)]
    Sim {
        #[command(flatten)]
        passed: Passed,
    },
    /// Check what compilers do not: imports between crates, sizes, names, dead files, documentation, manifests
    Tidy,
    /// Property tests, fuzzing, conformance tests, threads at a gate and requests to a real Envoy, run long
    Soak {
        /// Only these: properties, fuzz, conformance, hammer, envoy
        #[arg(value_parser = soak::NAMES)]
        only: Vec<String>,
    },
    /// What continuous integration runs: format, tidy, lints, tests, documentation, fallback toolchain
    Ci,
}

/// Arguments that are somebody else's.
#[derive(Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Passed {
    /// As they were typed: a leading `--` means something to cargo test, and clap takes it away.
    fn into_typed(self) -> Vec<String> {
        let typed: Vec<String> = env::args().collect();
        let escaped = typed.iter().nth_back(self.args.len()).is_some_and(|arg| arg == "--");
        if escaped { std::iter::once("--".to_owned()).chain(self.args).collect() } else { self.args }
    }
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
        Command::Wasm { all } => {
            for built in wasm::build_all(&layout, all)? {
                println!("{built}");
            }
            Ok(())
        }
        Command::Envoy => {
            println!("{}", setup::envoy::find_or_install(&layout)?.display());
            Ok(())
        }
        Command::Demo { passed } => demo::demo(&layout, &passed.into_typed()),
        Command::Test { passed } => test::test(&layout, &passed.into_typed()),
        Command::Bench { suite, only } => bench::bench(&layout, &suite, &only),
        Command::Sim { passed } => sim::sim(&layout, &passed.into_typed()),
        Command::Tidy => tidy::tidy(&layout, &subcommands()),
        Command::Soak { only } => soak::soak(&layout, &only),
        Command::Ci => ci::ci(&layout),
    }
}

/// The names that `cargo xtask` knows.
pub(crate) fn subcommands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}
