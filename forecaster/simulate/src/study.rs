//! A comparison: every arm in every world at every capacity, over seeds.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    arm::{Arm, Rule},
    error::Error,
    generate::{Cast, Generation, UPPER_TIERS, generate},
    limiter::foresight::Future,
    measure::Outcomes,
    policy::Policy,
    rates::Rates,
    scenario::Scenario,
    world::World,
};

/// What to compare.
#[derive(Clone, Debug)]
pub struct Study {
    /// The demand.
    pub rates: Rates,
    /// How worlds are made; cast, scenario and seed are set by the study.
    pub generation: Generation,
    /// Who has the upper tiers, one after the other.
    pub casts: Vec<Cast>,
    /// What happens, one after the other.
    pub scenarios: Vec<Scenario>,
    /// Mean demand over capacity, one after the other.
    pub loads: Vec<f64>,
    /// How many seeds, from 1.
    pub seeds: u64,
    /// The bursts that all budgets have, in seconds of their capacity.
    pub burst_s: f64,
    /// The arms.
    pub arms: Vec<Arm>,
    /// Floors of `priority` to try, by tier, in thousandths; empty leaves it out.
    pub floors: Vec<Vec<u16>>,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The cast's name.
    pub cast: &'static str,
    /// The scenario's name.
    pub scenario: &'static str,
    /// Mean demand over capacity.
    pub load: f64,
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// What came of it.
    pub outcomes: Outcomes,
}

impl Study {
    /// Floors worth trying for `priority`: none for the upper tiers, more for bronze than for silver.
    #[must_use]
    pub fn usual_floors() -> Vec<Vec<u16>> {
        const STEPS: [u16; 6] = [0, 100, 200, 350, 500, 700];
        let pairs = STEPS.iter().flat_map(|silver| {
            STEPS.iter().filter(move |bronze| *bronze >= silver).map(move |bronze| (*silver, *bronze))
        });
        pairs.map(|(silver, bronze)| vec![0, 0, silver, bronze]).collect()
    }

    /// Runs in all.
    #[must_use]
    pub fn runs(&self) -> usize {
        let worlds = self.casts.len() * self.scenarios.len() * self.seeds as usize;
        worlds * self.loads.len() * (self.arms.len() + self.floors.len())
    }

    /// Runs everything, as many runs at a time as there are processors; `progress` is told how many are done.
    ///
    /// # Errors
    /// When a world cannot be made or a table is refused.
    pub fn run(&self, progress: &(dyn Fn(usize) + Sync)) -> Result<Vec<Run>, Error> {
        let done = AtomicUsize::new(0);
        let arms: Vec<Arm> = self
            .arms
            .iter()
            .cloned()
            .chain(self.floors.iter().map(|floors| Arm::priority(floors.clone(), false)))
            .collect();
        let mut runs = Vec::new();
        for &cast in &self.casts {
            for &scenario in &self.scenarios {
                for seed in 1..=self.seeds {
                    let generation = Generation { cast, scenario, seed, ..self.generation.clone() };
                    let world = generate(&self.rates, &generation)?;
                    let future = Future::of(&world.trace, &world.policy);
                    let jobs: Vec<(f64, &Arm)> =
                        self.loads.iter().flat_map(|load| arms.iter().map(move |arm| (*load, arm))).collect();
                    let results: Result<Vec<Run>, Error> = jobs
                        .into_par_iter()
                        .map(|(load, arm)| {
                            let policy = self.at_load(&world, load);
                            let outcomes = arm.run(&world, &policy, &future, seed, UPPER_TIERS)?;
                            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                            let (cast, scenario) = (cast.name(), scenario.name());
                            Ok(Run { cast, scenario, load, arm: arm.name.clone(), seed, outcomes })
                        })
                        .collect();
                    runs.extend(results?);
                }
            }
        }
        Ok(runs)
    }

    /// The world's policy with the capacity that makes the usual mean demand this load.
    fn at_load(&self, world: &World, load: f64) -> Policy {
        let mut policy = world.policy.clone();
        for resource in &mut policy.resources {
            resource.capacity_per_s = self.generation.rate_per_s / load;
            resource.safe_capacity_per_s = resource.capacity_per_s;
            resource.burst = (resource.capacity_per_s * self.burst_s).round().max(1.0) as u64;
        }
        policy
    }

    /// Whether an arm is one of the tries of `priority`.
    #[must_use]
    pub fn is_try(&self, arm: &str) -> bool {
        self.floors.iter().any(|floors| Arm::priority(floors.clone(), false).name == arm)
    }

    /// The arms that are no tries of `priority`.
    #[must_use]
    pub fn named_arms(&self) -> Vec<&str> {
        let named = self.arms.iter().filter(|arm| !matches!(arm.rule, Rule::Priority { .. }));
        named.map(|arm| arm.name.as_str()).collect()
    }
}
