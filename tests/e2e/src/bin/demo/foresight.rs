//! What foresight is worth: the arm with forecasts against the same arm without, over all seeds that were played.
//!
//! The rule was fixed before anything was measured: a gain is claimed only for tiers in which `tidegate` refused less
//! than `reactive` on at least four of five seeds, where `reactive` refused at least 200 in all.

use serde::Serialize;

use crate::{
    arms::REACTIVE,
    compare::{of_tier, tier_names},
    script::TIDEGATE,
    summary::Run,
    table::Table,
};

const WINS_NEEDED: usize = 4;
const REFUSALS_NEEDED: u64 = 200;

/// One seed's run.
#[derive(Debug, Serialize)]
pub(crate) struct Played {
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) run: Run,
}

/// The whole of `summary.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict<'a> {
    consistent: bool,
    foresight: String,
    tiers: Vec<Contest>,
    runs: &'a [Played],
}

/// A tier in `tidegate` against the same in `reactive`.
#[derive(Debug, Serialize)]
pub(crate) struct Contest {
    tier: &'static str,
    seeds: usize,
    wins: usize,
    losses: usize,
    refused_tidegate: u64,
    refused_reactive: u64,
    gain: bool,
}

impl<'a> Verdict<'a> {
    /// From all runs.
    pub(crate) fn of(runs: &'a [Played]) -> Self {
        let names = runs.first().map_or_else(Vec::new, |played| tier_names(&played.run));
        let tiers: Vec<Contest> = names.into_iter().map(|tier| Contest::of(runs, tier)).collect();
        let gains = tiers.iter().filter(|contest| contest.gain).map(|contest| contest.tier);
        let gains = gains.collect::<Vec<_>>().join(", ");
        let foresight = if gains.is_empty() {
            "foresight: no measurable gain in this story".to_owned()
        } else {
            format!("foresight: fewer refusals in {gains}")
        };
        Self { consistent: runs.iter().all(|played| played.run.consistent), foresight, tiers, runs }
    }

    /// Shows it, below the medians where there was more than one seed.
    pub(crate) fn print(&self) {
        if self.runs.len() > 1 {
            self.print_medians();
        }
        println!("\n{}", self.foresight);
        let mut table =
            Table::new(&["tier", "seeds", "fewer", "more", "refused tidegate", "refused reactive"]);
        for one in &self.tiers {
            table.row([
                one.tier.to_owned(),
                one.seeds.to_string(),
                one.wins.to_string(),
                one.losses.to_string(),
                one.refused_tidegate.to_string(),
                one.refused_reactive.to_string(),
            ]);
        }
        table.print();
        println!(
            "  (claimed only where tidegate refuses less than reactive on {WINS_NEEDED} of 5 seeds, and reactive at least \
             {REFUSALS_NEEDED} in all)"
        );
    }

    fn print_medians(&self) {
        println!("\nMedians over {} seeds: refusals after the learning", self.runs.len());
        let tiers: Vec<&str> = self.tiers.iter().map(|one| one.tier).collect();
        let mut columns = vec!["arm"];
        columns.extend(&tiers);
        columns.extend(["all", "admitted", "most in 1 s"]);
        let mut table = Table::new(&columns);
        let Some(first) = self.runs.first() else { return };
        for name in first.run.arms.iter().map(|arm| arm.arm) {
            let arms = || self.runs.iter().filter_map(|played| played.run.arm(name));
            let per_tier = tiers.iter().map(|tier| median(arms().map(|arm| of_tier(arm, tier).refused())));
            let rest = [
                median(arms().map(|arm| arm.measured().refused())),
                median(arms().map(|arm| arm.measured().admitted())),
                median(arms().map(|arm| arm.highest_admitted_in_a_second as u64)),
            ];
            table.row(std::iter::once(name.to_owned()).chain(per_tier).chain(rest));
        }
        table.print();
    }
}

impl Contest {
    fn of(runs: &[Played], tier: &'static str) -> Self {
        let refused = |run: &Run, arm| run.arm(arm).map_or(0, |arm| of_tier(arm, tier).refused());
        let pairs: Vec<(u64, u64)> = runs
            .iter()
            .map(|played| (refused(&played.run, TIDEGATE), refused(&played.run, REACTIVE)))
            .collect();
        let wins = pairs.iter().filter(|(with, without)| with < without).count();
        let refused_reactive = pairs.iter().map(|(_, without)| without).sum();
        Self {
            tier,
            seeds: pairs.len(),
            wins,
            losses: pairs.iter().filter(|(with, without)| with > without).count(),
            refused_tidegate: pairs.iter().map(|(with, _)| with).sum(),
            refused_reactive,
            gain: wins >= WINS_NEEDED && refused_reactive >= REFUSALS_NEEDED,
        }
    }
}

fn median(values: impl Iterator<Item = u64>) -> String {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let middle = |place: usize| values.get(place).copied().unwrap_or_default();
    let (low, high) = (middle(values.len().saturating_sub(1) / 2), middle(values.len() / 2));
    if (low + high).is_multiple_of(2) {
        ((low + high) / 2).to_string()
    } else {
        format!("{}.5", (low + high) / 2)
    }
}
