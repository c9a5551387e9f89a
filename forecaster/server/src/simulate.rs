//! `tidegate simulate`: compares limiters on virtual time and prints what came of it.

mod policies;

use std::io::Write;

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tidegate_learn::Learning;
use tidegate_simulate::{
    Arm, Cast, Generation, Making, Policy, Rates, Requests, Rows, Scenario, Study, Trace, World, show,
    summarise,
};

use crate::cli::Simulate;

const SEASON_STEPS: usize = 1440;
const MAX_KEYS: usize = 100_000;

/// Runs a study and prints it.
pub(crate) fn run(asked: &Simulate) -> anyhow::Result<()> {
    let study = study(asked)?;
    let mut rows = asked.output.as_deref().map(Rows::create).transpose()?;
    let progress = ProgressBar::new(study.runs() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos} of {len} runs, {eta} left").context("progress")?,
    );
    let runs = study.run(rows.as_mut(), &|done| progress.set_position(done as u64))?;
    progress.finish_and_clear();
    rows.map_or(Ok(()), Rows::finish)?;
    let sections = summarise(&runs);
    let text = if asked.json { serde_json::to_string_pretty(&sections)? + "\n" } else { show(&sections) };
    std::io::stdout().write_all(text.as_bytes()).context("printing")
}

fn study(asked: &Simulate) -> anyhow::Result<Study> {
    ensure!(asked.seeds > 0 && asked.hours > 0, "give at least one seed and one hour");
    let names: Vec<String> = Arm::all().into_iter().map(|arm| arm.name).collect();
    let asked_arms = if asked.arms.is_empty() { vec!["all".to_owned()] } else { asked.arms.clone() };
    let named = choose("--arms", &asked_arms, names.iter().map(|name| (name.as_str(), name)).collect())?;
    let arms = Arm::all().into_iter().filter(|arm| named.contains(&&arm.name) || arm.name == "global");
    let requests = match (&asked.rates, &asked.trace) {
        (Some(rates), None) => Requests::Made(Box::new(making(asked, Rates::open(rates)?)?)),
        (None, Some(trace)) => {
            let policies = policies::of_files(&asked.policy)?;
            Requests::Recorded(Box::new(recorded(asked, Trace::open(trace)?, &policies)?), policies)
        }
        _ => bail!("give either --rates or --trace"),
    };
    Ok(Study {
        requests,
        seeds: asked.seeds,
        arms: arms.collect(),
        waiting_priority: asked.waiting_priority,
        floors: if asked.no_frontier { Vec::new() } else { Study::usual_floors() },
    })
}

fn making(asked: &Simulate, rates: Rates) -> anyhow::Result<Making> {
    let model = tidegate_model::find(&asked.model);
    let model = model.with_context(|| {
        let names: Vec<&str> = tidegate_model::MODELS.iter().map(|entry| entry.name).collect();
        format!("there is no model `{}`; give {}", asked.model, names.join(" or "))
    })?;
    ensure!(
        asked.capacity.iter().all(|load| *load > 0.0) && asked.rate > 0.0 && asked.burst_s > 0.0,
        "--capacity, --rate and --burst-s must be more than 0"
    );
    Ok(Making {
        rates,
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
        burst_s: asked.burst_s,
        terms: policies::terms_of_files(&asked.policy)?,
    })
}

/// The requests of a trace; each must ask for resources that every policy knows.
fn recorded(asked: &Simulate, trace: Trace, policies: &[Policy]) -> anyhow::Result<World> {
    let first = policies.first().context("give a --policy: a forecaster's configuration file")?;
    for policy in policies {
        let known = |name: &String| policy.resources.iter().any(|resource| resource.name == *name);
        if let Some(unknown) = trace.resources.all().iter().find(|name| !known(name)) {
            bail!("the trace asks for `{unknown}`, which is no resource of policy `{}`", policy.name);
        }
    }
    let history = asked.history.as_deref().map(Rates::open).transpose()?;
    Ok(World::recorded(trace, history.as_ref(), first.step_ms)?)
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
