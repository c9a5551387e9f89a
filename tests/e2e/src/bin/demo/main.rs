//! Tidegate in a terminal: a real Envoy with the plugin, real forecasters, and customers who want too much. Or the example
//! gateway with the component instead of Envoy, or both at once.
//!
//! The story has four made-up customers whose day lasts a minute, and four limiters that all get the same requests;
//! `--trace` replays a request log instead. At the end, what the client sent, what Envoy counted and what the
//! forecasters' databases hold must be the same.

mod accuracy;
mod arms;
mod beside;
mod board;
mod books;
mod cast;
mod compare;
mod foresight;
mod pace;
mod play;
mod replay;
mod screen;
mod script;
mod story;
mod summary;
mod table;
mod tally;
mod view;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, ensure};
use clap::Parser;
use tidegate_e2e::{arena::Proxy, folder, story::Story};

use crate::{
    arms::Through,
    foresight::{Played, Verdict},
    script::Script,
};

#[derive(Parser)]
#[command(
    name = "cargo xtask demo",
    bin_name = "cargo xtask demo",
    about = "Four customers and four limiters: Envoy's own, and Tidegate without and with foresight"
)]
struct Args {
    /// End by itself, in under three minutes for the story; the exit code says whether all counts agree
    #[arg(long)]
    once: bool,
    /// Play the story so many times, each time with other requests, and judge over all; ends by itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5), conflicts_with = "trace")]
    seeds: Option<u8>,
    /// End after this many seconds of traffic, the first half of it for learning
    #[arg(long, value_name = "SECONDS", conflicts_with = "trace")]
    seconds: Option<u64>,
    /// Through the example gateway instead of Envoy
    #[arg(long)]
    gateway: bool,
    /// Through Envoy and through the example gateway at once, and see whether they admit the same; ends by itself
    #[arg(long, conflicts_with_all = ["gateway", "trace"])]
    both: bool,
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
    ensure!(args.speed.is_finite() && args.speed > 0.0, "--speed must be a number above 0");
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    ensure!(
        !args.folder.is_empty() && args.folder.bytes().all(sound),
        "--folder is a name of letters, digits, - and _"
    );
    match &args.trace {
        Some(trace) => {
            let script = replay::script(trace, args.speed, args.once, args.proxy())?;
            let run = play::play(Script { folder: args.folder.clone(), ..script }).await?;
            summary::single(&run, &folder::target()?.join(&args.folder))?;
            run.verdict()
        }
        None => tell(args).await,
    }
}

impl Args {
    fn through(&self) -> Through {
        match (self.both, self.gateway) {
            (true, _) => Through::Both,
            (false, true) => Through::Gateway,
            (false, false) => Through::Envoy,
        }
    }

    fn proxy(&self) -> Proxy {
        if self.gateway { Proxy::Gateway } else { Proxy::Envoy }
    }
}

/// The story, once for each seed.
async fn tell(args: &Args) -> Result<()> {
    let story = Story::read()?;
    let once = args.once || args.seeds.is_some() || args.both;
    ensure!(once || args.seconds.is_none(), "--seconds needs --once");
    let folder = folder::fresh(&args.folder)?;
    let mut runs = Vec::new();
    for seed in story.seeds.iter().copied().take(args.seeds.unwrap_or(1).into()) {
        let script = story::script(&story, seed, once, args.seconds, args.through())?;
        let run = play::play(Script { folder: format!("{}/seed-{seed}", args.folder), ..script }).await?;
        compare::print(seed, &run);
        runs.push(Played { seed, run });
    }
    let beside = if args.both { beside::pairs(&runs) } else { Vec::new() };
    let verdict = Verdict::of(&runs, &beside);
    verdict.print();
    summary::write(&folder, &verdict)?;
    if args.both {
        beside::judge(&beside)?;
    }
    runs.iter().try_for_each(|played| played.run.verdict())
}
