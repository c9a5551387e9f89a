//! `tidegate simulate`: compares limiters on virtual time and prints what came of it.

use std::{
    io::{IsTerminal, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tidegate_learn::Learning;
use tidegate_simulate::{Arm, Cast, Generation, Rates, Scenario, Study, show, summarise};

use crate::cli::Simulate;

const SEASON_STEPS: usize = 1440;
const MAX_KEYS: usize = 100_000;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Runs a study and prints it.
pub(crate) fn run(asked: &Simulate) -> anyhow::Result<()> {
    let study = study(asked)?;
    let progress = Progress::new(study.runs());
    let runs = study.run(&|done| progress.tell(done))?;
    progress.finish();
    let sections = summarise(&study, &runs);
    let text = if asked.json { serde_json::to_string_pretty(&sections)? + "\n" } else { show(&sections) };
    std::io::stdout().write_all(text.as_bytes()).context("printing")
}

fn study(asked: &Simulate) -> anyhow::Result<Study> {
    let model = tidegate_model::find(&asked.model);
    let model = model.with_context(|| {
        let names: Vec<&str> = tidegate_model::MODELS.iter().map(|entry| entry.name).collect();
        format!("there is no model `{}`; give {}", asked.model, names.join(" or "))
    })?;
    ensure!(asked.seeds > 0 && asked.hours > 0, "give at least one seed and one hour");
    ensure!(
        asked.capacity.iter().all(|load| *load > 0.0) && asked.rate > 0.0 && asked.burst_s > 0.0,
        "--capacity, --rate and --burst-s must be more than 0"
    );
    let names: Vec<String> = Arm::all().into_iter().map(|arm| arm.name).collect();
    let asked_arms = if asked.arms.is_empty() { vec!["all".to_owned()] } else { asked.arms.clone() };
    let named = choose("--arms", &asked_arms, names.iter().map(|name| (name.as_str(), name)).collect())?;
    let arms = Arm::all().into_iter().filter(|arm| named.contains(&&arm.name) || arm.name == "global");
    Ok(Study {
        rates: Rates::open(&asked.rates)?,
        generation: Generation {
            rate_per_s: asked.rate,
            hours: asked.hours,
            history_hours: asked.history_hours,
            burstiness: asked.burstiness,
            cast: Cast::Fitting,
            scenario: Scenario::Plain,
            seed: 0,
            learning: Learning { model, season_steps: SEASON_STEPS, max_keys: MAX_KEYS },
        },
        casts: choose(
            "--cast",
            &asked.cast,
            [Cast::Fitting, Cast::Overfull].map(|cast| (cast.name(), cast)).into(),
        )?,
        scenarios: choose("--scenario", &asked.scenario, Scenario::ALL.map(|one| (one.name(), one)).into())?,
        loads: asked.capacity.clone(),
        seeds: asked.seeds,
        burst_s: asked.burst_s,
        arms: arms.collect(),
        floors: if asked.no_frontier { Vec::new() } else { Study::usual_floors() },
    })
}

/// What names stand for; `all` stands for everything.
fn choose<T: Copy>(option: &str, asked: &[String], known: Vec<(&str, T)>) -> anyhow::Result<Vec<T>> {
    if asked.iter().any(|name| name == "all") {
        return Ok(known.into_iter().map(|(_, one)| one).collect());
    }
    let find = |name: &String| {
        let found = known.iter().find(|(known, _)| known == name).map(|(_, one)| *one);
        found.with_context(|| {
            let names: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
            format!("{option}: there is no `{name}`; give {} or all", names.join(", "))
        })
    };
    asked.iter().map(find).collect()
}

/// One line on standard error that counts runs, if anybody is there to see it.
struct Progress {
    runs: usize,
    started: Instant,
    shown: Option<Mutex<Instant>>,
}

impl Progress {
    fn new(runs: usize) -> Self {
        let started = Instant::now();
        Self { runs, started, shown: std::io::stderr().is_terminal().then(|| Mutex::new(started)) }
    }

    fn tell(&self, done: usize) {
        let Some(mut shown) = self.shown.as_ref().and_then(|shown| shown.try_lock().ok()) else { return };
        if shown.elapsed() >= PROGRESS_INTERVAL {
            *shown = Instant::now();
            let left_s = self.started.elapsed().as_secs_f64() / done as f64 * (self.runs - done) as f64;
            // Nobody needs to know that progress could not be shown.
            let _ = write!(std::io::stderr(), "\r{done} of {} runs, {left_s:.0} s left   ", self.runs);
        }
    }

    fn finish(&self) {
        if self.shown.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
