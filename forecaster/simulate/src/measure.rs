//! What is counted: per group of customers, who was offered what, admitted, refused, kept waiting.

use serde::Serialize;
use tidegate_core::{Source, plan::TierPolicy};

use crate::{limiter::Refused, policy::Policy, replay::Outcome, trace::Arrival, world::World};

/// Outcomes of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcomes {
    /// By group, in the order of the summary.
    pub groups: Vec<Group>,
    /// Mean capacity of the first resource in tokens per second: what was paid for.
    pub capacity_per_s: f64,
}

/// Outcomes of one group of customers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// The tier, or what the customer that misbehaves is called.
    pub name: String,
    /// Whether it belongs to the best tiers.
    pub upper: bool,
    /// Requests that asked.
    pub offered: u64,
    /// Requests that passed.
    pub admitted: u64,
    /// Requests that were turned away beyond their customer's contract.
    pub beyond_contract: u64,
    /// Tokens asked for.
    pub offered_tokens: u64,
    /// Tokens that passed.
    pub admitted_tokens: u64,
    /// Requests that passed on a reservation, at least in part.
    pub guaranteed: u64,
    /// Requests that passed on the emergency pool, at least in part.
    pub emergency: u64,
    /// Requests that passed after a wait.
    pub delayed: u64,
    /// Sum of all waits in nanoseconds.
    pub wait_ns: u64,
    /// Waits of those that were delayed, in microseconds; in order once the run is over.
    #[serde(skip)]
    waits_us: Vec<u32>,
}

impl Group {
    /// Requests that were turned away, for whatever reason.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.offered - self.admitted
    }

    /// Requests that were turned away although their customer kept to its contract.
    #[must_use]
    pub const fn refused_within_contract(&self) -> u64 {
        self.refused() - self.beyond_contract
    }

    /// Adds another group's counts to this one's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.admitted += other.admitted;
        self.beyond_contract += other.beyond_contract;
        self.offered_tokens += other.offered_tokens;
        self.admitted_tokens += other.admitted_tokens;
        self.guaranteed += other.guaranteed;
        self.emergency += other.emergency;
        self.delayed += other.delayed;
        self.wait_ns += other.wait_ns;
        self.waits_us.extend(&other.waits_us);
        self.waits_us.sort_unstable();
    }

    /// The wait that one admitted request in a hundred exceeds, in milliseconds.
    #[must_use]
    pub fn wait_p99_ms(&self) -> f64 {
        let longer = (self.admitted / 100) as usize;
        let place = self.waits_us.len().checked_sub(longer + 1);
        place.and_then(|place| self.waits_us.get(place)).map_or(0.0, |us| f64::from(*us) / 1e3)
    }

    fn note(&mut self, arrival: &Arrival, outcome: Outcome) {
        self.offered += 1;
        self.offered_tokens += arrival.cost;
        let (passed, wait_ns) = match outcome {
            Outcome::Admitted { passed, wait_ns } => (passed, wait_ns),
            Outcome::Refused(why) => {
                self.beyond_contract += u64::from(why == Refused::BeyondContract);
                return;
            }
        };
        self.admitted += 1;
        self.admitted_tokens += arrival.cost;
        self.guaranteed += u64::from(passed.source == Source::Guaranteed);
        self.emergency += u64::from(passed.source == Source::Emergency);
        if wait_ns > 0 {
            self.delayed += 1;
            self.wait_ns += wait_ns;
            self.waits_us.push(u32::try_from(wait_ns / 1000).unwrap_or(u32::MAX));
        }
    }
}

impl Outcomes {
    /// All groups together.
    #[must_use]
    pub fn total(&self) -> Group {
        let mut total = Group { name: "all".to_owned(), ..Group::default() };
        self.groups.iter().for_each(|group| total.add(group));
        total
    }

    /// The upper tiers together, the customer that misbehaves left out.
    #[must_use]
    pub fn upper(&self) -> Group {
        let mut upper = Group { name: "upper".to_owned(), upper: true, ..Group::default() };
        self.groups.iter().filter(|group| group.upper).for_each(|group| upper.add(group));
        upper
    }
}

/// Counts one run.
pub(crate) struct Tally {
    outcomes: Outcomes,
    /// Group of each key.
    group_of: Vec<usize>,
}

impl Tally {
    /// Groups are the tiers in order, and the customer that misbehaves, if one does.
    pub(crate) fn new(world: &World, policy: &Policy) -> Self {
        let tier = |tier: &TierPolicy| Group {
            name: tier.tier.name.clone(),
            upper: policy.is_upper(tier),
            ..Group::default()
        };
        let mut groups: Vec<Group> = policy.tiers.iter().map(tier).collect();
        let keys = world.trace.keys.all();
        let mut group_of: Vec<usize> = keys.iter().map(|key| usize::from(policy.tier_of(key))).collect();
        if let Some((key, name)) = world.offender {
            if let Some(group) = group_of.get_mut(key as usize) {
                *group = groups.len();
            }
            groups.push(Group { name: name.to_owned(), ..Group::default() });
        }
        Self { outcomes: Outcomes { groups, capacity_per_s: 0.0 }, group_of }
    }

    /// Files one request.
    pub(crate) fn note(&mut self, arrival: &Arrival, outcome: Outcome) {
        let group = self.group_of.get(arrival.key as usize).copied().unwrap_or_default();
        if let Some(group) = self.outcomes.groups.get_mut(group) {
            group.note(arrival, outcome);
        }
    }

    pub(crate) fn finish(mut self, capacity_per_s: f64) -> Outcomes {
        self.outcomes.capacity_per_s = capacity_per_s;
        self.outcomes.groups.iter_mut().for_each(|group| group.waits_us.sort_unstable());
        self.outcomes
    }
}
