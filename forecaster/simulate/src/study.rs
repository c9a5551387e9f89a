//! A comparison: every arm in every world under every policy, over seeds.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    arm::Arm,
    error::Error,
    generate::{Cast, Generation, generate},
    limiter::foresight::Future,
    measure::Outcomes,
    policy::{Policy, Terms},
    rates::Rates,
    rows::Rows,
    scenario::Scenario,
    world::World,
};

/// What to compare.
#[derive(Debug)]
pub struct Study {
    /// The requests, and under which policies.
    pub requests: Requests,
    /// How many seeds, from 1.
    pub seeds: u64,
    /// The arms.
    pub arms: Vec<Arm>,
    /// Floors of `priority` to try, of the worst tier and of those between it and the upper tiers, in thousandths; empty
    /// leaves it out.
    pub floors: Vec<(u16, u16)>,
    /// Whether `priority` is tried with waiting too.
    pub waiting_priority: bool,
}

/// Where requests come from.
#[derive(Debug)]
pub enum Requests {
    /// Made from rates, a world for each cast, scenario and seed.
    Made(Box<Making>),
    /// Recorded.
    Recorded(Box<World>, Vec<Policy>),
}

/// How worlds are made.
#[derive(Debug)]
pub struct Making {
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
    /// The bursts that all budgets have, in seconds of their capacity.
    pub burst_s: f64,
    /// On which terms customers are served, one after the other.
    pub terms: Vec<Terms>,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The requests that it got.
    pub setting: Setting,
    /// The policy's name.
    pub policy: String,
    /// The arm's name.
    pub arm: String,
    /// What it is a try of: `priority` or `priority+waiting`, or nothing.
    pub family: Option<&'static str>,
    /// The seed.
    pub seed: u64,
    /// What came of it.
    pub outcomes: Outcomes,
}

/// The requests of a run, but for the seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// The scenario's name, or `trace`.
    pub scenario: &'static str,
    /// The cast's name, where worlds are made.
    pub cast: Option<&'static str>,
    /// Mean demand over capacity, where worlds are made.
    pub load: Option<f64>,
}

/// One run to come.
struct Job<'a> {
    setting: Setting,
    world: &'a World,
    future: &'a Future,
    policy: &'a Policy,
    arm: &'a Arm,
    seed: u64,
}

impl Study {
    /// Floors worth trying for `priority`: none for the upper tiers, most for the worst.
    #[must_use]
    pub fn usual_floors() -> Vec<(u16, u16)> {
        const STEPS: [u16; 6] = [0, 100, 200, 350, 500, 700];
        let pairs = |between: &u16| {
            STEPS
                .into_iter()
                .filter(|worst| worst >= between)
                .zip(std::iter::repeat(*between))
                .collect::<Vec<_>>()
        };
        STEPS.iter().flat_map(pairs).collect()
    }

    /// Runs in all.
    #[must_use]
    pub fn runs(&self) -> usize {
        let seeds = self.seeds as usize;
        match &self.requests {
            Requests::Made(making) => {
                let worlds = making.casts.len() * making.scenarios.len() * seeds;
                worlds
                    * making.loads.len()
                    * making.terms.len()
                    * (self.arms.len() + self.floors.len() * self.waiting().len())
            }
            Requests::Recorded(_, policies) => {
                let random = self.arms.iter().filter(|arm| arm.is_random()).count();
                let once = self.arms.len() - random;
                policies.iter().map(|policy| once + random * seeds + self.tries(policy).len()).sum()
            }
        }
    }

    /// Runs everything; `progress` is told how many runs are done.
    ///
    /// As many runs at a time as there are processors, unless every request is to be written to `rows`: then one after
    /// the other, so that rows are always in the same order.
    ///
    /// # Errors
    /// When a world cannot be made, a table is refused, or rows cannot be written.
    pub fn run(&self, rows: Option<&mut Rows>, progress: &(dyn Fn(usize) + Sync)) -> Result<Vec<Run>, Error> {
        let done = AtomicUsize::new(0);
        let mut rows = rows;
        let mut runs = Vec::new();
        let told = |run| {
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            run
        };
        let mut all = |jobs: Vec<Job<'_>>| {
            let results: Result<Vec<Run>, Error> = match rows.as_deref_mut() {
                Some(rows) => jobs.into_iter().map(|job| told(job.run(Some(rows)))).collect(),
                None => jobs.into_par_iter().map(|job| told(job.run(None))).collect(),
            };
            results.map(|results| runs.extend(results))
        };
        match &self.requests {
            Requests::Made(making) => self.made(making, &mut all)?,
            Requests::Recorded(world, policies) => self.recorded(world, policies, &mut all)?,
        }
        Ok(runs)
    }

    fn made(
        &self,
        making: &Making,
        all: &mut dyn FnMut(Vec<Job<'_>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for &cast in &making.casts {
            for &scenario in &making.scenarios {
                for seed in 1..=self.seeds {
                    let generation = Generation { cast, scenario, seed, ..making.generation.clone() };
                    let (world, policy) = generate(&making.rates, &generation)?;
                    let future = Future::of(&world.trace, &policy);
                    let tries = self.tries(&policy);
                    let policies: Vec<(f64, Policy)> = making
                        .loads
                        .iter()
                        .flat_map(|load| {
                            making
                                .terms
                                .iter()
                                .map(|terms| (*load, making.policy(&policy, terms, *load, scenario)))
                        })
                        .collect();
                    let job = |(load, policy), arm| {
                        let setting =
                            Setting { scenario: scenario.name(), cast: Some(cast.name()), load: Some(load) };
                        Job { setting, world: &world, future: &future, policy, arm, seed }
                    };
                    let arms = || self.arms.iter().chain(&tries);
                    let jobs = policies
                        .iter()
                        .flat_map(|(load, policy)| arms().map(move |arm| job((*load, policy), arm)));
                    all(jobs.collect())?;
                }
            }
        }
        Ok(())
    }

    fn recorded(
        &self,
        world: &World,
        policies: &[Policy],
        all: &mut dyn FnMut(Vec<Job<'_>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let setting = Setting { scenario: "trace", cast: None, load: None };
        for policy in policies {
            let future = Future::of(&world.trace, policy);
            let tries = self.tries(policy);
            let job = |arm, seed| Job { setting, world, future: &future, policy, arm, seed };
            let seeds = |arm: &Arm| 1..=if arm.is_random() { self.seeds } else { 1 };
            let arms = self.arms.iter().flat_map(|arm| seeds(arm).map(move |seed| job(arm, seed)));
            all(arms.chain(tries.iter().map(|arm| job(arm, 1))).collect())?;
        }
        Ok(())
    }

    /// The tries of `priority` under a policy.
    fn tries(&self, policy: &Policy) -> Vec<Arm> {
        let worst = policy.tiers.iter().map(|tier| tier.tier.priority).max();
        let mut tries: Vec<Arm> = Vec::new();
        for (of_worst, between) in &self.floors {
            let floor = |tier: &tidegate_core::plan::TierPolicy| match tier {
                tier if policy.is_upper(tier) => 0,
                tier if Some(tier.tier.priority) == worst => *of_worst,
                _ => *between,
            };
            for waiting in self.waiting() {
                let arm = Arm::priority(policy.tiers.iter().map(floor).collect(), *waiting);
                if !tries.contains(&arm) {
                    tries.push(arm);
                }
            }
        }
        tries
    }

    /// Whether requests may wait, one try of `priority` after the other.
    const fn waiting(&self) -> &'static [bool] {
        if self.waiting_priority { &[false, true] } else { &[false] }
    }
}

impl Making {
    /// A world's policy on other terms, with the capacity that makes the usual mean demand this load.
    fn policy(&self, policy: &Policy, terms: &Terms, load: f64, scenario: Scenario) -> Policy {
        let mut policy = policy.clone();
        policy.elastic = scenario.elastic(self.generation.rate_per_s, load, self.burst_s);
        policy.set_terms(terms);
        for resource in &mut policy.resources {
            resource.capacity_per_s = self.generation.rate_per_s / load;
            resource.safe_capacity_per_s = resource.capacity_per_s;
            resource.burst = (resource.capacity_per_s * self.burst_s).round().max(1.0) as u64;
        }
        policy
    }
}

impl Job<'_> {
    fn run(self, rows: Option<&mut Rows>) -> Result<Run, Error> {
        let Self { setting, world, future, policy, arm, seed } = self;
        let outcomes = match rows {
            Some(rows) => {
                rows.begin(policy, setting, &arm.name, seed);
                let outcomes = arm.run(world, policy, future, seed, &mut |arrival, outcome| {
                    rows.write(world, policy, arrival, outcome);
                });
                rows.end()?;
                outcomes?
            }
            None => arm.run(world, policy, future, seed, &mut |_, _| ())?,
        };
        let (policy, family, arm) = (policy.name.clone(), arm.family(), arm.name.clone());
        Ok(Run { setting, policy, arm, family, seed, outcomes })
    }
}
