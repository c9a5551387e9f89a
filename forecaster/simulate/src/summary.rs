//! Over seeds: means and extremes, the frontier of `priority`, and which point of it stands for it.

use serde::Serialize;

use crate::{
    measure::{Group, Outcomes},
    study::{Run, Study},
};

/// `priority` may admit so much less than one bucket for all, and is chosen for the fewest refusals of upper tiers.
const ADMITTED_AT_LEAST: f64 = 0.99;

/// All that was found under one cast, scenario and load.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// The cast's name.
    pub cast: &'static str,
    /// The scenario's name.
    pub scenario: &'static str,
    /// Mean demand over capacity.
    pub load: f64,
    /// The arms, `priority` with its best floors among them.
    pub arms: Vec<Line>,
    /// The floors of `priority` that no others beat both ways, most admitted first.
    pub frontier: Vec<Line>,
}

/// One arm over seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The arm.
    pub arm: String,
    /// Admitted tokens, percent of what the one bucket for all admitted.
    pub of_global: Spread,
    /// Requests of the upper tiers refused within contract, percent, without the customer that misbehaves.
    pub upper_refused: Spread,
    /// Requests of the upper tiers refused beyond contract, percent, likewise.
    pub upper_beyond: Spread,
    /// Delayed requests of the upper tiers, percent of those admitted.
    pub upper_delayed: Spread,
    /// By group: name, and refused requests, percent.
    pub refused: Vec<(String, Spread)>,
    /// Delayed requests, percent of those admitted.
    pub delayed: Spread,
    /// Mean wait of those delayed, milliseconds.
    pub wait_ms: Spread,
    /// The wait that one admitted request in a hundred exceeds, milliseconds.
    pub wait_p99_ms: Spread,
    /// Requests admitted on a reservation, percent of those admitted.
    pub guaranteed: Spread,
}

/// A figure over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let figures: Vec<f64> = figures.collect();
        Self {
            mean: figures.iter().sum::<f64>() / figures.len().max(1) as f64,
            min: figures.iter().copied().reduce(f64::min).unwrap_or_default(),
            max: figures.iter().copied().reduce(f64::max).unwrap_or_default(),
        }
    }
}

/// Sums up all runs of a study, section by section.
#[must_use]
pub fn summarise(study: &Study, runs: &[Run]) -> Vec<Section> {
    let mut sections = Vec::new();
    for cast in &study.casts {
        for scenario in &study.scenarios {
            for &load in &study.loads {
                let (cast, scenario) = (cast.name(), scenario.name());
                let here: Vec<&Run> = runs
                    .iter()
                    .filter(|run| (run.cast, run.scenario) == (cast, scenario))
                    .filter(|run| (run.load - load).abs() < f64::EPSILON)
                    .collect();
                sections.push(section(study, cast, scenario, load, &here));
            }
        }
    }
    sections
}

fn section(study: &Study, cast: &'static str, scenario: &'static str, load: f64, runs: &[&Run]) -> Section {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.arm.as_str()) {
            names.push(&run.arm);
        }
    }
    let lines: Vec<Line> = names.iter().map(|name| line(name, runs)).collect();
    let (tries, mut arms): (Vec<Line>, Vec<Line>) =
        lines.into_iter().partition(|line| study.is_try(&line.arm));
    let frontier = frontier(&tries);
    if let Some(best) = best(&frontier) {
        let after = arms.iter().position(|line| line.arm == "global").map_or(0, |position| position + 1);
        arms.insert(after, best.clone());
    }
    Section { cast, scenario, load, arms, frontier }
}

fn line(arm: &str, runs: &[&Run]) -> Line {
    let own: Vec<&Run> = runs.iter().copied().filter(|run| run.arm == arm).collect();
    let spread = |figure: &dyn Fn(&Outcomes) -> f64| Spread::of(own.iter().map(|run| figure(&run.outcomes)));
    let global = |seed: u64| runs.iter().find(|run| run.arm == "global" && run.seed == seed);
    let of_global = own.iter().filter_map(|run| {
        let global = global(run.seed)?.outcomes.total().admitted_tokens;
        Some(percent(run.outcomes.total().admitted_tokens, global))
    });
    let groups = own.first().map_or(&[][..], |run| &run.outcomes.groups[..]);
    let refused = groups.iter().enumerate().map(|(index, group)| {
        let figure = |outcomes: &Outcomes| outcomes.groups.get(index).map_or(0.0, refused_percent);
        (group.name.clone(), spread(&figure))
    });
    Line {
        arm: arm.to_owned(),
        of_global: Spread::of(of_global),
        upper_refused: spread(&|outcomes| {
            let upper = outcomes.upper();
            percent(upper.refused_within_contract(), upper.offered)
        }),
        upper_beyond: spread(&|outcomes| percent(outcomes.upper().beyond_contract, outcomes.upper().offered)),
        upper_delayed: spread(&|outcomes| percent(outcomes.upper().delayed, outcomes.upper().admitted)),
        refused: refused.collect(),
        delayed: spread(&|outcomes| percent(outcomes.total().delayed, outcomes.total().admitted)),
        wait_ms: spread(&|outcomes| {
            let total = outcomes.total();
            total.wait_ns as f64 / 1e6 / total.delayed.max(1) as f64
        }),
        wait_p99_ms: spread(&|outcomes| outcomes.total().wait_p99_ms()),
        guaranteed: spread(&|outcomes| percent(outcomes.total().guaranteed, outcomes.total().admitted)),
    }
}

fn refused_percent(group: &Group) -> f64 {
    percent(group.refused(), group.offered)
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// Those that no other one beats in what it admits and in what it refuses the upper tiers.
fn frontier(tries: &[Line]) -> Vec<Line> {
    let beaten = |line: &Line| {
        tries.iter().any(|other| {
            let (admitted, refused) = (other.of_global.mean, other.upper_refused.mean);
            admitted >= line.of_global.mean
                && refused <= line.upper_refused.mean
                && (admitted > line.of_global.mean || refused < line.upper_refused.mean)
        })
    };
    let mut frontier: Vec<Line> = tries.iter().filter(|line| !beaten(line)).cloned().collect();
    frontier.sort_by(|a, b| b.of_global.mean.total_cmp(&a.of_global.mean));
    frontier
}

fn best(frontier: &[Line]) -> Option<&Line> {
    let enough = frontier.iter().filter(|line| line.of_global.mean >= ADMITTED_AT_LEAST * 100.0);
    enough.min_by(|a, b| a.upper_refused.mean.total_cmp(&b.upper_refused.mean)).or_else(|| frontier.first())
}
