//! Commands that consist of stages: the first that fails ends them, and at the end stands what each took.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::layout::Layout;

/// One stage.
pub(crate) type Stage = fn(&Layout) -> Result<Outcome>;

/// How a stage ended, if it did not fail.
pub(crate) enum Outcome {
    /// It did what it is for.
    Passed,
    /// It could not, for this reason.
    Skipped(&'static str),
}

/// Runs every stage of a command, stops at the first that fails, and prints the seconds that each took.
pub(crate) fn run(command: &str, layout: &Layout, stages: &[(&str, Stage)]) -> Result<()> {
    let mut took: Vec<(&str, Duration, &str)> = Vec::new();
    let mut result = Ok(());
    for (name, stage) in stages {
        println!("\n== {name}");
        let started = Instant::now();
        let outcome = stage(layout).with_context(|| format!("{command} failed at stage \"{name}\""));
        let how = match &outcome {
            Ok(Outcome::Passed) => "passed",
            Ok(Outcome::Skipped(why)) => why,
            Err(_) => "FAILED",
        };
        took.push((name, started.elapsed(), how));
        if let Err(error) = outcome {
            result = Err(error);
            break;
        }
    }
    println!("\n== seconds per stage");
    for (name, time, how) in took {
        println!("{:>7.1}  {name:<18} {how}", time.as_secs_f64());
    }
    result
}
