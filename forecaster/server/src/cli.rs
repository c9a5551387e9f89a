//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

const AFTER_HELP: &str =
    "TIDEGATE_LOG sets what is logged: warn, info (default), debug, or a filter such as tidegate=debug.";

/// Learns what each customer will need, plans who gets what, and pushes the plan into the proxies.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the forecaster: sync stream for proxies and HTTP API on one port.
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "tidegate.yaml")]
        config: PathBuf,
    },
    /// Print the public key of a signing key, for the plugin's `forecaster.public_key`.
    Key {
        /// The file of the signing key.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Make the key first.
        #[arg(long)]
        new: bool,
    },
    /// Check a configuration file: prints what it means, or everything that is wrong with it.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "tidegate.yaml")]
        config: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
