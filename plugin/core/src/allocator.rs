//! The allocator: one per VM, deciding every request of one proxy worker.
//!
//! | file | idea |
//! |---|---|
//! | `request` | what is asked and what is answered |
//! | `decide` | the order of a decision, top to bottom |
//! | `crew` | workers that share their budgets: what is looked at before, and paid after |
//! | `view` | what it depends on |
//! | `standing` | what a contract leaves a key |
//! | `retry` | when a refused request would be admitted |
//! | `waiting`, `release` | the queue: its order, and who goes when |
//! | `settle` | charge or refund the difference to the actual cost |
//! | `apply` | installing a table |
//! | `step` | moving from step to step |
//! | `explain` | where a key stands, and what it could have |
//! | `policy` | what the table says, and which step is current |
//! | `budget` | shadow buckets and pool of one resource, conserved by construction |
//! | `calendar` | which shadow buckets are refilling |
//! | `emergency` | what each key drew of the emergency pool |
//! | `contention` | use beyond the forecast |
//! | `keys` | the bounded set of keys and their standard buckets |
//! | `receipts` | admitted requests whose cost is still an estimate |
//! | `ledger`, `count` | usage counters, cut into windows, taken by reports |

mod apply;
mod budget;
mod calendar;
mod contention;
mod count;
mod crew;
mod decide;
mod emergency;
mod explain;
mod keys;
mod ledger;
mod packed;
mod policy;
mod receipts;
mod release;
mod request;
mod retry;
mod settle;
mod standing;
mod step;
mod view;
mod waiting;

use alloc::{string::String, vec::Vec};

pub use apply::{Progress, Stage, Staged};
pub use crew::{Crew, CrewCells};
pub use explain::{Alternatives, Explanation, ResourceExplanation};
pub use receipts::Receipt;
pub use request::{Admission, Class, Decision, Demand, Reason, Refusal, Request, Source, Waiting};
pub use standing::Standing;
pub use waiting::Ticket;

use self::{
    apply::Installation, budget::Budget, contention::Contention, decide::Draw, emergency::EmergencyUse,
    keys::Keys, ledger::Ledger, policy::Policy, receipts::Receipts,
};
use crate::{
    clock::Clock,
    report::Report,
    units::{Amount, MicroRate, Rate, Share, Timestamp},
};

/// What an allocator is built from, before any table.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The resources, in the order in which requests refer to them.
    pub resources: Vec<ResourceSetup>,
    /// Most keys kept that no table names; beyond it idle ones make room, or the key shares one common entry.
    pub max_unknown_keys: u32,
    /// Most admitted requests waiting to be settled; beyond it the oldest is charged its estimate.
    pub max_receipts: u32,
    /// Most requests waiting for tokens; beyond it nobody waits.
    pub max_waiting: u32,
    /// How long a request may take to settle, in ms; then it is charged its estimate.
    pub receipt_ttl_ms: u64,
    /// Length of usage windows in milliseconds.
    pub report_interval_ms: u32,
}

/// One resource before any table.
#[derive(Clone, Debug)]
pub struct ResourceSetup {
    /// The name that tables and reports use.
    pub name: String,
    /// The budget without a valid table; unlimited when absent.
    pub safe: Option<SafeBudget>,
}

/// The bucket that limits a resource while there is no valid table.
#[derive(Clone, Copy, Debug)]
pub struct SafeBudget {
    /// Refill.
    pub capacity: MicroRate,
    /// Burst in tokens.
    pub burst: u64,
}

impl SafeBudget {
    /// Far above any real load, and still within the arithmetic: 10⁹ tokens/s, 2⁴⁰ tokens.
    const UNLIMITED: Self = Self { capacity: MicroRate(1_000_000_000_000_000), burst: 1 << 40 };

    /// A part of it: never rounded down to nothing.
    fn part(self, share: Share) -> Self {
        Self { capacity: self.capacity.part(share), burst: share.of(self.burst).max(self.burst.min(1)) }
    }
}

/// Whether a plan is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableState {
    /// No table has been applied.
    Absent,
    /// The table is in force.
    Live,
    /// The table's time is over: reservations are gone, the safe capacities rule.
    Stale,
}

/// Decides requests against the current table, and counts what happened.
#[derive(Clone, Debug)]
pub struct Allocator {
    clock: Clock,
    /// What this worker has of every budget.
    share: Share,
    /// The workers that it shares its budgets with.
    crew: Option<Crew>,
    requests: u64,
    policy: Policy,
    resources: Vec<ResourceState>,
    keys: Keys,
    receipts: Receipts,
    waiting: waiting::Waiting,
    ledger: Ledger,
    installation: Option<Installation>,
    /// The draws of the request being decided; kept to spare an allocation.
    draws: Vec<Draw>,
}

/// One resource: its budget and where its limits come from.
#[derive(Clone, Debug)]
struct ResourceState {
    name: String,
    safe: SafeBudget,
    /// Capacity, burst and stale capacity of the table in force, if it knows the resource.
    planned: Option<(Rate, Amount, Rate)>,
    /// What the table in force reserves in all, by step.
    reserved: Vec<(Rate, Amount)>,
    /// In a crew: what the contract leaves whom was looked at last, if that was asked.
    left_seen: Option<Amount>,
    /// By the table in force its tokens are held, and were not by the one before, or the other way round.
    is_another: bool,
    /// Resources that could serve the same requests, as the table in force says.
    alternatives: Vec<String>,
    /// By tier of the table in force.
    contracts: Vec<Option<(Rate, Amount)>>,
    /// Planned floors, by tier and step; empty where a tier keeps its own.
    floor_steps: Vec<Vec<u16>>,
    /// Floors of the current step, by tier, and the highest of them.
    floors_permille: Vec<u16>,
    highest_floor_permille: u16,
    emergency_use: EmergencyUse,
    contention: Contention,
    budget: Budget,
}

impl Allocator {
    /// An allocator without a table: an honest reactive limiter on the safe budgets.
    #[must_use]
    pub fn new(setup: Setup, now: Timestamp) -> Self {
        let resources: Vec<ResourceState> = setup
            .resources
            .into_iter()
            .take(crate::table::MAX_RESOURCES)
            .map(|resource| {
                let safe = resource.safe.unwrap_or(SafeBudget::UNLIMITED);
                let capacity = Rate::from_micro_per_s(safe.capacity);
                ResourceState {
                    name: resource.name,
                    safe,
                    planned: None,
                    reserved: Vec::new(),
                    left_seen: None,
                    is_another: false,
                    alternatives: Vec::new(),
                    contracts: Vec::new(),
                    floor_steps: Vec::new(),
                    floors_permille: Vec::new(),
                    highest_floor_permille: 0,
                    emergency_use: EmergencyUse::new(),
                    contention: Contention::default(),
                    budget: Budget::new(capacity, Amount::from_tokens(safe.burst), now),
                }
            })
            .collect();
        Self {
            clock: Clock::new(now),
            share: Share::WHOLE,
            crew: None,
            requests: 0,
            policy: Policy::absent(),
            keys: Keys::new(resources.len(), setup.max_unknown_keys),
            receipts: Receipts::new(setup.max_receipts, setup.receipt_ttl_ms),
            waiting: waiting::Waiting::new(setup.max_waiting),
            ledger: Ledger::new(setup.report_interval_ms),
            installation: None,
            draws: Vec::with_capacity(resources.len()),
            resources,
        }
    }

    /// An allocator of another set-up whose reports and windows go on where this one's end. Receipts of this one are
    /// spent for it.
    #[must_use]
    pub fn successor(&self, setup: Setup, now: Timestamp) -> Self {
        let mut next = Self::new(setup, now);
        next.ledger = self.ledger.successor();
        next.receipts = self.receipts.successor(next.receipts);
        next
    }

    /// Takes a part of every budget; the other workers have the rest. The table in force has to be applied again
    /// then, and may be; one on its way has to be staged again. In a crew the budgets are whole, and this does nothing.
    pub fn set_share(&mut self, share: Share, now: Timestamp) {
        if share == self.share || self.crew.is_some() {
            return;
        }
        self.end_installation(now);
        let now = self.begin(now, u32::MAX);
        self.share = share;
        (self.policy.epoch, self.policy.snapshot_epoch) = (0, 0);
        for resource in &mut self.resources {
            resource.set_capacity(&self.policy, share, now);
        }
    }

    /// How full the emptiest pool is, as a part of its whole budget, rounded down; `None` when it has less than one token. An
    /// allocator that takes this one's place, and has a table applied with such a share before it has its own, mints nothing.
    pub fn fullness(&mut self, now: Timestamp) -> Option<Share> {
        self.begin(now, u32::MAX);
        let part = |resource: &ResourceState| {
            let (level, burst) = (resource.budget.pool(), resource.budget.burst());
            let has_token = level >= Amount::from_tokens(1);
            let part = || Some(Share::new(u64::try_from(level.0).ok()?, u64::try_from(burst.0).ok()?));
            has_token.then(part).flatten()
        };
        let mut emptiest = Share::WHOLE;
        for resource in self.resources.iter().filter(|resource| !resource.budget.is_held()) {
            emptiest = emptiest.min(part(resource)?);
        }
        Some(emptiest)
    }

    /// Empties every pool: somebody else has given what was in it. What is held stays: nothing would ever bring it back.
    pub fn drain_pools(&mut self, now: Timestamp) {
        self.begin(now, u32::MAX);
        for resource in self.resources.iter_mut().filter(|resource| !resource.budget.is_held()) {
            resource.budget.drain_pool();
        }
    }

    /// What this worker has of every budget.
    #[must_use]
    pub const fn share(&self) -> Share {
        self.share
    }

    /// Requests decided since the beginning.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Does what is due by `now` without a request: expires receipts, credits overflow, moves to the current step.
    /// To be called every 100 ms or so; decisions are right without it, only later to notice.
    pub fn advance(&mut self, now: Timestamp) {
        const DUE_PER_TICK: u32 = 4096;
        let rebased = self.begin(now, DUE_PER_TICK);
        self.sweep(DUE_PER_TICK, rebased);
        self.expire_receipts(0, rebased);
        self.resources.iter_mut().for_each(|resource| resource.budget.give_back(true, rebased));
    }

    /// Takes the usage since the last call, or `None` when there was none. `now` closes nothing: increments add up.
    ///
    /// `boot` tells this start of the worker from others.
    pub fn report(&mut self, boot: u64) -> Option<Report> {
        self.ledger.take(boot, self.policy.epoch, &mut self.resources, &mut self.keys)
    }

    /// When the usage window of the last request began, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn window_start_ms(&self) -> u64 {
        self.ledger.window_start_ms()
    }

    /// Sets the length of usage windows, as the forecaster asks for in its welcome.
    pub fn set_report_interval(&mut self, interval_ms: u32) {
        self.ledger.set_interval(interval_ms);
    }

    /// Epoch of the table in force, 0 for none.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.policy.epoch
    }

    /// Moves to the step that `now` lies in and tells whether a plan is in force.
    pub fn refresh(&mut self, now: Timestamp) -> TableState {
        self.begin(now, 0);
        self.policy.state
    }

    /// Epoch of the snapshot that the table in force is or builds on, 0 for none.
    #[must_use]
    pub const fn snapshot_epoch(&self) -> u64 {
        self.policy.snapshot_epoch
    }

    /// Whether a plan is in force at the time of the last call that told the time.
    #[must_use]
    pub const fn table_state(&self) -> TableState {
        self.policy.state
    }

    /// Index of the tier of keys that no table names.
    #[must_use]
    pub const fn default_tier(&self) -> u8 {
        self.policy.default_tier
    }

    /// Name of the tier with this index, as decisions give it.
    #[must_use]
    pub fn tier_name(&self, tier: u8) -> &str {
        self.policy.tiers.get(usize::from(tier)).map_or("default", |tier| &tier.name)
    }

    /// Names of the tiers, in the order of their indices; none before the first table.
    pub fn tier_names(&self) -> impl Iterator<Item = &str> {
        self.policy.tiers.iter().map(|tier| tier.name.as_str())
    }

    /// Name of the resource with this index.
    #[must_use]
    pub fn resource_name(&self, resource: u8) -> &str {
        self.resources.get(usize::from(resource)).map_or("", |resource| &resource.name)
    }

    /// Names of the resources that could serve what this one does, as the table in force says.
    #[must_use]
    pub fn resource_alternatives(&self, resource: u8) -> &[String] {
        self.resources.get(usize::from(resource)).map_or(&[], |resource| &resource.alternatives)
    }

    /// Index of the resource with this name.
    #[must_use]
    pub fn resource_index(&self, name: &str) -> Option<u8> {
        self.resources
            .iter()
            .position(|resource| resource.name == name)
            .and_then(|index| u8::try_from(index).ok())
    }

    /// Number of keys held, known and unknown.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// What every call does first: tell the time, move to its step, credit overflow.
    fn begin(&mut self, wall: Timestamp, drain: u32) -> Timestamp {
        // A crew has one clock, that of its books.
        let now = if self.crew.is_some() { wall } else { self.clock.advance(wall) };
        self.move_to_step(wall, now);
        for resource in &mut self.resources {
            resource.budget.drain(now, drain);
        }
        now
    }
}

#[cfg(test)]
mod tests;
