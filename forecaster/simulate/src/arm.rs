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
        supply::Supplied,
    },
    measure::{Outcomes, Tally},
    policy::Policy,
    replay::{self, Outcome},
    trace::Arrival,
    world::World,
};

/// One limiter.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The name in tables and on the command line.
    pub name: String,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Who decides.
    pub rule: Rule,
}

/// Who decides.
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ours {
    /// Where forecasts come from.
    pub knowledge: Knowledge,
    /// Forecasts become reservations of this part of capacity and burst if the policy has none.
    pub reservable_share: Option<f64>,
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

const ALL_ON: Ours =
    Ours { knowledge: Knowledge::Model, reservable_share: None, floors: true, waiting: true };

const RESERVING: Ours = Ours { reservable_share: Some(0.8), ..ALL_ON };

impl Arm {
    /// Whether what it does depends on the seed, beside the requests.
    pub(crate) fn is_random(&self) -> bool {
        matches!(self.rule, Rule::Ours(Ours { knowledge: Knowledge::Shuffled, .. }))
    }

    /// Every arm but those on the frontier of `priority`.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let ours =
            |name: &str, summary, ours| Self { name: name.to_owned(), summary, rule: Rule::Ours(ours) };
        vec![
            Self { name: "static".into(), summary: "a fixed share for each customer", rule: Rule::Static },
            Self { name: "global".into(), summary: "one bucket for all", rule: Rule::Global },
            ours("reactive", "forecasts off", Ours { knowledge: Knowledge::None, ..ALL_ON }),
            ours("tidegate", "as the policy says", ALL_ON),
            ours(
                "perfect-unreserved",
                "tidegate by true demand",
                Ours { knowledge: Knowledge::Perfect, ..ALL_ON },
            ),
            ours(
                "shuffled-unreserved",
                "tidegate by another key's forecast",
                Ours { knowledge: Knowledge::Shuffled, ..ALL_ON },
            ),
            ours("reservations", "tidegate with reservations", RESERVING),
            ours(
                "perfect",
                "reservations by true demand",
                Ours { knowledge: Knowledge::Perfect, ..RESERVING },
            ),
            ours(
                "shuffled",
                "reservations by another key's forecast",
                Ours { knowledge: Knowledge::Shuffled, ..RESERVING },
            ),
            ours("no-floors", "tidegate without floors", Ours { floors: false, ..ALL_ON }),
            ours("no-waiting", "tidegate without waiting", Ours { waiting: false, ..ALL_ON }),
        ]
    }

    /// What it is a try of, if it is one of many.
    pub(crate) const fn family(&self) -> Option<&'static str> {
        match &self.rule {
            Rule::Priority { waiting: false, .. } => Some("priority"),
            Rule::Priority { waiting: true, .. } => Some("priority+waiting"),
            _ => None,
        }
    }

    /// One bucket with these floors.
    pub(crate) fn priority(floors_permille: Vec<u16>, waiting: bool) -> Self {
        let floors: Vec<String> =
            floors_permille.iter().map(|floor| format!("{:.2}", f64::from(*floor) / 1e3)).collect();
        Self {
            name: format!("priority{} {}", if waiting { "+waiting" } else { "" }, floors.join("/")),
            summary: "one bucket with a floor for each tier",
            rule: Rule::Priority { floors_permille, waiting },
        }
    }

    /// Runs a world through this limiter under `policy`; `note` hears of every request once.
    pub(crate) fn run(
        &self,
        world: &World,
        policy: &Policy,
        future: &Future,
        seed: u64,
        note: &mut dyn FnMut(&Arrival, Outcome),
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
        let capacity_per_s = policy.resources.first().map_or(0.0, |resource| resource.capacity_per_s);
        if let Some(elastic) = policy.elastic {
            limiter = Box::new(Supplied::new(limiter, elastic, policy.step_ms, capacity_per_s, start));
        }
        let mut tally = Tally::new(world, &policy);
        replay::replay(&world.trace, limiter.as_mut(), start, &mut |arrival, outcome| {
            tally.note(arrival, outcome);
            note(arrival, outcome);
        })?;
        let end = Timestamp::from_nanos(world.trace.arrivals.last().map_or(0, |arrival| arrival.at_ns));
        let mean_per_s = limiter.mean_capacity_per_s(end).unwrap_or(capacity_per_s);
        drop(limiter);
        Ok(tally.finish(mean_per_s))
    }

    /// The policy with what this arm lacks taken out.
    fn adjusted(&self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        let Rule::Ours(ours) = &self.rule else { return policy };
        if let Some(share) = ours.reservable_share {
            let none = policy.resources.iter_mut().filter(|resource| resource.reservable_share <= 0.0);
            none.for_each(|resource| resource.reservable_share = share);
        }
        if !ours.floors {
            policy.tiers.iter_mut().for_each(|tier| tier.tier.floor_permille = 0);
        }
        policy
    }
}

#[cfg(test)]
mod tests;
