//! Over seeds: means and extremes, the frontier of `priority`, and which point of it stands for it.

use serde::Serialize;

use crate::{
    measure::{Group, Outcomes},
    study::{Run, Setting},
};

/// `priority` may admit so much less than one bucket for all, and is chosen for the fewest refusals of upper tiers.
const ADMITTED_AT_LEAST: f64 = 0.99;

/// All that was found in one setting.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// The requests.
    #[serde(flatten)]
    pub setting: Setting,
    /// The arms, under one policy after the other, `priority` with its best floors among them.
    pub arms: Vec<Line>,
    /// The floors of `priority` that no others beat both ways, most admitted first.
    pub frontier: Vec<Line>,
}

/// One arm over seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The policy's name.
    pub policy: String,
    /// The arm.
    pub arm: String,
    /// Admitted tokens, percent of those asked for.
    pub admitted: Spread,
    /// Admitted tokens, percent of what the one bucket for all admitted.
    pub of_global: Spread,
    /// Mean capacity of the first resource, tokens per second.
    pub capacity_per_s: Spread,
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
    /// Requests admitted from the emergency pool, percent of those admitted.
    pub emergency: Spread,
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
pub fn summarise(runs: &[Run]) -> Vec<Section> {
    let mut settings: Vec<Setting> = Vec::new();
    for run in runs {
        if !settings.contains(&run.setting) {
            settings.push(run.setting);
        }
    }
    let here = |setting: &Setting| runs.iter().filter(|run| run.setting == *setting).collect::<Vec<_>>();
    let mut sections: Vec<Section> =
        settings.iter().map(|setting| section(*setting, &here(setting))).collect();
    // Runs come by seed; settings are read by scenario.
    sections.sort_by(|a, b| {
        let name = |section: &Section| (section.setting.cast, section.setting.scenario);
        let first = |section: &Section| {
            settings.iter().position(|setting| (setting.cast, setting.scenario) == name(section))
        };
        let load = |section: &Section| section.setting.load.unwrap_or_default();
        first(a).cmp(&first(b)).then(load(a).total_cmp(&load(b)))
    });
    sections
}

fn section(setting: Setting, runs: &[&Run]) -> Section {
    let mut names: Vec<(&str, &str, Option<&str>)> = Vec::new();
    for run in runs {
        let name = (run.policy.as_str(), run.arm.as_str(), run.family);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (mut arms, mut frontiers) = (Vec::new(), Vec::new());
    for policy in names.chunk_by(|a, b| a.0 == b.0) {
        let lines = |family: Option<&str>| -> Vec<Line> {
            let wanted = policy.iter().filter(|name| name.2 == family);
            wanted.map(|(policy, arm, _)| line(policy, arm, runs)).collect()
        };
        let mut own = lines(None);
        let mut after = own.iter().position(|line| line.arm == "global").map_or(0, |position| position + 1);
        for family in ["priority", "priority+waiting"] {
            let frontier = frontier(&lines(Some(family)));
            if let Some(best) = best(&frontier) {
                own.insert(after, best.clone());
                after += 1;
            }
            frontiers.extend(frontier);
        }
        arms.extend(own);
    }
    Section { setting, arms, frontier: frontiers }
}

fn line(policy: &str, arm: &str, runs: &[&Run]) -> Line {
    let own: Vec<&Run> = runs.iter().copied().filter(|run| run.policy == policy && run.arm == arm).collect();
    let spread = |figure: &dyn Fn(&Outcomes) -> f64| Spread::of(own.iter().map(|run| figure(&run.outcomes)));
    // A trace has one run of it for all seeds.
    let global = |seed: u64| {
        let of_policy = || runs.iter().filter(|run| run.policy == policy && run.arm == "global");
        of_policy().find(|run| run.seed == seed).or_else(|| of_policy().next())
    };
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
        policy: policy.to_owned(),
        arm: arm.to_owned(),
        admitted: spread(&|outcomes| {
            percent(outcomes.total().admitted_tokens, outcomes.total().offered_tokens)
        }),
        of_global: Spread::of(of_global),
        capacity_per_s: spread(&|outcomes| outcomes.capacity_per_s),
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
        emergency: spread(&|outcomes| percent(outcomes.total().emergency, outcomes.total().admitted)),
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
