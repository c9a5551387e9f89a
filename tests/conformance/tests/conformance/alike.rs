//! The statement itself.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use tidegate_conformance::{Answer, Question, Recipe};
use tidegate_e2e::process;
use tokio::task::spawn_blocking;

use crate::{
    component::Component,
    engine::{Engine, Native, compare},
    guest::Guest,
    plugin::V8,
};

/// Set to play more scripts than usual.
const SEEDS: &str = "TIDEGATE_CONFORMANCE_SEEDS";
const USUAL_SEEDS: u64 = 8;
/// Scripts that engines have once played differently.
const NOTABLE_SEEDS: [u64; 1] = [183];
const REQUESTS: u32 = 16_000;

/// Scripts by seeds, and those that fuzzing has kept.
fn questions() -> Result<Vec<Question>> {
    let seeds = match env::var(SEEDS) {
        Ok(seeds) => seeds.parse().with_context(|| format!("{SEEDS}={seeds}"))?,
        Err(_) => USUAL_SEEDS,
    };
    let seeds = (0..seeds).chain(NOTABLE_SEEDS.into_iter().filter(|seed| *seed >= seeds));
    let mut recipes: Vec<Recipe> = seeds.map(|seed| Recipe::Seed { seed, requests: REQUESTS }).collect();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/script");
    let entries = fs::read_dir(&corpus).with_context(|| format!("no scripts in {}", corpus.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    for file in files {
        recipes.push(Recipe::Bytes(fs::read(&file)?));
    }
    Ok(recipes.into_iter().map(Question::of).collect())
}

#[tokio::test]
async fn the_component_decides_as_native_code_does() -> Result<()> {
    let questions = questions()?;
    let compiling = spawn_blocking(Component::load);
    let mut native = Native;
    let expected = timed(&mut native, &questions).await?;
    let mut component = compiling.await??;
    let by_component = timed(&mut component, &questions).await?;
    compare(&questions, (&mut native, &expected), (&mut component, &by_component)).await
}

#[tokio::test]
async fn native_wasmtime_and_v8_decide_alike() -> Result<()> {
    process::end_all_on_signal();
    let questions = questions()?;
    // Compiling the guest takes longest; meanwhile the others play.
    let compiling = spawn_blocking(Guest::load);
    let (mut native, mut v8) = (Native, V8::find()?);
    let expected = timed(&mut native, &questions).await?;
    let in_v8 = timed(&mut v8, &questions).await?;
    compare(&questions, (&mut native, &expected), (&mut v8, &in_v8)).await?;
    let mut guest = compiling.await??;
    let in_wasmtime = timed(&mut guest, &questions).await?;
    compare(&questions, (&mut native, &expected), (&mut guest, &in_wasmtime)).await
}

async fn timed(engine: &mut impl Engine, questions: &[Question]) -> Result<Vec<Answer>> {
    let started = Instant::now();
    let answers = engine.ask(questions).await?;
    let decisions: u64 = answers.iter().map(|answer| answer.decisions).sum();
    println!("{}: {decisions} decisions in {:.1} s", engine.name(), started.elapsed().as_secs_f64());
    ensure!(decisions >= 100_000, "{decisions} decisions are too few to say anything");
    Ok(answers)
}
