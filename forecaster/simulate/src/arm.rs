//! The limiters that are compared.

use tidegate_core::Timestamp;

use crate::{
    error::Error,
    limiter::{
        Limiter,
        foresight::{Foresight, Future},
        gate::Gate,
        planning::Planning,
        shares::Shares,
    },
    measure::{Outcomes, Tally},
    policy::{Policy, Terms},
    replay,
    world::World,
};

/// One limiter.
#[derive(Clone, Debug)]
pub struct Arm {
    /// The name in tables and on the command line.
    pub name: String,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Who decides.
    pub rule: Rule,
    /// On which terms, if not on the world's.
    pub terms: Option<Terms>,
}

/// Who decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A bucket for each customer.
    Static,
    /// One bucket for all.
    Global,
    /// One bucket for all with a constant floor for each tier.
    Priority {
        /// By tier, in thousandths.
        floors_permille: Vec<u16>,
        /// Requests may wait as long as their tier's terms say, as in Tidegate.
        waiting: bool,
    },
    /// Tidegate.
    Ours(Ours),
}

/// Tidegate, with what is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ours {
    /// Where forecasts come from.
    pub knowledge: Knowledge,
    /// Forecasts become reservations.
    pub reservations: bool,
    /// Tiers leave their floor to better ones.
    pub floors: bool,
    /// Requests may wait.
    pub waiting: bool,
}

/// Where forecasts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// There are none.
    None,
    /// The model.
    Model,
    /// What will be asked for.
    Perfect,
    /// The model, for another key.
    Shuffled,
}

const ALL_ON: Ours = Ours { knowledge: Knowledge::Model, reservations: true, floors: true, waiting: true };

impl Arm {
    /// Every arm but those on the frontier of `priority`.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let ours = |name: &str, summary, ours| Self {
            name: name.to_owned(),
            summary,
            rule: Rule::Ours(ours),
            terms: None,
        };
        vec![
            Self {
                name: "static".into(),
                summary: "a fixed share for each customer",
                rule: Rule::Static,
                terms: None,
            },
            Self { name: "global".into(), summary: "one bucket for all", rule: Rule::Global, terms: None },
            ours("reactive", "forecasts off", Ours { knowledge: Knowledge::None, ..ALL_ON }),
            ours("tidegate", "everything on", ALL_ON),
            ours("perfect", "true demand as the forecast", Ours { knowledge: Knowledge::Perfect, ..ALL_ON }),
            ours("shuffled", "another key's forecast", Ours { knowledge: Knowledge::Shuffled, ..ALL_ON }),
            ours("no-reservations", "tidegate without reservations", Ours { reservations: false, ..ALL_ON }),
            ours("no-floors", "tidegate without floors", Ours { floors: false, ..ALL_ON }),
            ours("no-waiting", "tidegate without waiting", Ours { waiting: false, ..ALL_ON }),
        ]
    }

    /// One bucket with these floors.
    pub(crate) fn priority(floors_permille: Vec<u16>, waiting: bool) -> Self {
        let floors: Vec<String> =
            floors_permille.iter().map(|floor| format!("{:.2}", f64::from(*floor) / 1e3)).collect();
        Self {
            name: format!("priority{} {}", if waiting { "+waiting" } else { "" }, floors.join("/")),
            summary: "one bucket with a floor for each tier",
            rule: Rule::Priority { floors_permille, waiting },
            terms: None,
        }
    }

    /// Runs a world through this limiter under `policy`, which is the world's but for capacities.
    pub(crate) fn run(
        &self,
        world: &World,
        policy: &Policy,
        future: &Future,
        seed: u64,
        upper_tiers: usize,
    ) -> Result<Outcomes, Error> {
        let policy = self.adjusted(policy);
        let start = Timestamp::from_millis(world.starts_at_ms);
        let resources = &world.trace.resources;
        let mut limiter: Box<dyn Limiter + '_> = match &self.rule {
            Rule::Static => Box::new(Shares::new(world, &policy)),
            Rule::Global => Box::new(Gate::bucket(&policy, resources, start)),
            Rule::Priority { floors_permille, waiting } => {
                Box::new(Gate::floors(&policy, resources, floors_permille, *waiting, start)?)
            }
            Rule::Ours(ours) => {
                let foresight = match ours.knowledge {
                    Knowledge::None => Foresight::None,
                    Knowledge::Model => Foresight::Model,
                    Knowledge::Perfect => Foresight::Perfect(future),
                    Knowledge::Shuffled => Foresight::Shuffled(seed),
                };
                let planning = Planning::new(&policy, foresight, world);
                Box::new(Gate::planned(&policy, resources, planning, ours.waiting, start))
            }
        };
        let mut tally = Tally::new(world, upper_tiers);
        replay::replay(&world.trace, limiter.as_mut(), start, &mut |arrival, outcome| {
            tally.note(arrival, outcome);
        })?;
        Ok(tally.finish())
    }

    /// The policy with what this arm lacks taken out.
    fn adjusted(&self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        if let Some(terms) = &self.terms {
            policy.set_terms(terms);
        }
        let Rule::Ours(ours) = &self.rule else { return policy };
        if !ours.reservations {
            policy.resources.iter_mut().for_each(|resource| resource.reservable_share = 0.0);
        }
        if !ours.floors {
            policy.tiers.iter_mut().for_each(|tier| tier.tier.floor_permille = 0);
        }
        policy
    }
}

#[cfg(test)]
mod tests;
