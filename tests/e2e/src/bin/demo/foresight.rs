//! What foresight is worth: the arm with forecasts against the same arm without, over all seeds that were played.
//!
//! The rule was fixed before anything was measured: a gain is claimed only for tiers in which `tidegate` refused less
//! than `reactive` on at least four of five seeds, where `reactive` refused at least 200 in all. What got worse on as
//! many seeds is told right below, however little it is.

use serde::Serialize;

use crate::{
    arms::REACTIVE,
    beside::Pair,
    compare::{of_tier, tier_names},
    script::TIDEGATE,
    summary::{Arm, Run},
    table::Table,
};

const WINS_NEEDED: usize = 4;
const REFUSALS_NEEDED: u64 = 200;
/// All tiers together.
const ALL: &str = "all";

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
    /// Where more was refused, on as many seeds as a gain would need.
    worse: Vec<&'static str>,
    tiers: Vec<Contest>,
    /// What Envoy and the gateway admitted, where both were played.
    beside: &'a [Pair],
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
    pub(crate) fn of(runs: &'a [Played], beside: &'a [Pair]) -> Self {
        let names = runs.first().map_or_else(Vec::new, |played| tier_names(&played.run));
        let of = |name: &'static str| Contest::of(runs, name, |arm| of_tier(arm, name).refused());
        let mut tiers: Vec<Contest> = names.into_iter().map(of).collect();
        tiers.push(Contest::of(runs, ALL, |arm| arm.measured().refused()));
        let foresight = if runs.iter().all(|played| played.run.complete) {
            claim(&tiers)
        } else {
            "foresight: not judged, the traffic was cut short".to_owned()
        };
        let worse = tiers.iter().filter(|one| one.losses >= WINS_NEEDED).map(|one| one.tier).collect();
        Self {
            consistent: runs.iter().all(|played| played.run.consistent),
            foresight,
            worse,
            tiers,
            beside,
            runs,
        }
    }

    /// Shows it, below the medians where there was more than one seed.
    pub(crate) fn print(&self) {
        if self.runs.len() > 1 {
            self.print_medians();
        }
        println!("\n{}", self.foresight);
        if !self.worse.is_empty() {
            println!(
                "its price: more refusals in {} on at least {WINS_NEEDED} of 5 seeds",
                self.worse.join(", ")
            );
        }
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
        if self.runs.len() < WINS_NEEDED {
            println!("  (fewer than {WINS_NEEDED} seeds cannot show a gain: --seeds 5 plays all)");
        }
    }

    fn print_medians(&self) {
        println!("\nMedians over {} seeds: refusals after the learning", self.runs.len());
        let tiers: Vec<&str> = self.tiers.iter().map(|one| one.tier).filter(|tier| *tier != ALL).collect();
        let mut columns = vec!["arm"];
        columns.extend(&tiers);
        columns.extend([ALL, "admitted", "most in 1 s"]);
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
    fn of(runs: &[Played], tier: &'static str, refused: impl Fn(&Arm) -> u64) -> Self {
        let refused = |run: &Run, arm| run.arm(arm).map_or(0, &refused);
        let pairs: Vec<(u64, u64)> = runs
            .iter()
            .map(|played| (refused(&played.run, TIDEGATE), refused(&played.run, REACTIVE)))
            .collect();
        let wins = pairs.iter().filter(|(with, without)| with < without).count();
        let losses = pairs.iter().filter(|(with, without)| with > without).count();
        let refused_reactive = pairs.iter().map(|(_, without)| without).sum();
        Self {
            tier,
            seeds: pairs.len(),
            wins,
            losses,
            refused_tidegate: pairs.iter().map(|(with, _)| with).sum(),
            refused_reactive,
            gain: wins >= WINS_NEEDED && refused_reactive >= REFUSALS_NEEDED,
        }
    }
}

/// What may be claimed.
fn claim(contests: &[Contest]) -> String {
    let gains = contests.iter().filter(|one| one.gain && one.tier != ALL).map(|one| one.tier);
    let gains = gains.collect::<Vec<_>>().join(", ");
    if gains.is_empty() {
        "foresight: no measurable gain in this story".to_owned()
    } else {
        format!("foresight: fewer refusals in {gains}")
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
