//! Tidegate in a terminal: a real Envoy with the plugin, a real forecaster, and customers who want too much.
//!
//! The story has four made-up customers whose day lasts a minute; `--trace` replays a request log instead. At the
//! end, what the client sent, what Envoy counted and what the forecaster's database holds must be the same.

mod accuracy;
mod board;
mod books;
mod cast;
mod play;
mod replay;
mod script;
mod story;
mod summary;
mod table;
mod tally;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, ensure};
use clap::Parser;

use crate::script::Script;

#[derive(Parser)]
#[command(
    name = "cargo xtask demo",
    bin_name = "cargo xtask demo",
    about = "Four customers against a real Envoy, plugin and forecaster"
)]
struct Args {
    /// End by itself, in under three minutes for the story; the exit code says whether all counts agree
    #[arg(long)]
    once: bool,
    /// End after this many seconds of traffic, the first half of it for learning
    #[arg(long, value_name = "SECONDS", requires = "once", conflicts_with = "trace")]
    seconds: Option<u64>,
    /// Replay a request log (CSV, gzip accepted) instead of the story: `ts,key,resource,cost[,actual,class,region]`
    /// or `t_seconds,context_tokens,generated_tokens`
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Replay the log this many times faster
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "trace")]
    speed: f64,
    /// Folder below the target directory for configuration, logs, database and summary; it is emptied
    #[arg(long, value_name = "NAME", default_value = "demo")]
    folder: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match tokio_main(&args) {
        Ok(()) => {
            println!("demo: ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("demo: FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn tokio_main(args: &Args) -> Result<()> {
    play::play(script(args)?).await
}

fn script(args: &Args) -> Result<Script> {
    ensure!(args.speed.is_finite() && args.speed > 0.0, "--speed must be a number above 0");
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    ensure!(
        !args.folder.is_empty() && args.folder.bytes().all(sound),
        "--folder is a name of letters, digits, - and _"
    );
    let script = match &args.trace {
        Some(trace) => replay::script(trace, args.speed, args.once)?,
        None => story::script(args.once, args.seconds)?,
    };
    Ok(Script { folder: args.folder.clone(), ..script })
}
