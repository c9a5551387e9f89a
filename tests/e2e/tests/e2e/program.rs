//! The programs of this crate, as a user runs them.

use std::process::Command;

use anyhow::Result;

/// Runs a program to its end and returns whether it succeeded, and what it printed.
pub(crate) async fn run(program: &'static str, words: &[&str]) -> Result<(bool, String)> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let run = move || Command::new(program).args(words).output();
    let output = tokio::task::spawn_blocking(run).await??;
    let printed =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((output.status.success(), printed))
}
