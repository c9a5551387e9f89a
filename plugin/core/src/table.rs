//! The table: who is guaranteed what, step by step, under which policy. The forecaster writes it, proxies obey it.
//!
//! [`Table::decode`] returns only tables that hold every structural rule, so the allocator never meets absurd
//! numbers: indices are in range, and in every step the reservations fit the capacity and the burst.

mod check;
mod delta;
mod reader;
mod schedule;

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

pub(crate) use check::{Checker, MAX_RATE, MAX_TOKENS};
pub use check::{MAX_KEYS, MAX_RESOURCES, MAX_STEPS, MAX_TIERS, TableError};
pub use delta::Baseline;
pub use reader::Heading;
pub(crate) use reader::Reader;
pub use schedule::Schedule;
pub(crate) use schedule::{code, part};

use crate::{
    units::{KeyHash, MicroRate, Share},
    wire::Envelope,
};

const ENVELOPE: Envelope = Envelope { name: "table", magic: *b"TGT", version: Table::FORMAT };

/// A plan plus policy for one proxy, valid for a few steps.
///
/// The keys come last on the wire, so that they can be read, checked and installed a few at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Grows with every table of one forecaster; a proxy refuses an epoch that is not newer than its own.
    pub epoch: u64,
    /// 0 for a snapshot. Else this is a delta: keys that it does not name are as in the snapshot of that epoch, and own
    /// no reservation.
    pub base_epoch: u64,
    /// Keys of the snapshot that are no longer known; only in a delta.
    pub removed: Vec<KeyHash>,
    /// When step 0 begins, in milliseconds since the Unix epoch.
    pub starts_at_ms: u64,
    /// Length of a step in milliseconds.
    pub step_ms: u32,
    /// Number of steps planned; after the last one every reservation is zero.
    pub steps: u16,
    /// Past this instant (ms since the Unix epoch) the proxy falls back to the safe capacities.
    pub valid_until_ms: u64,
    /// Which bucket pays first for guaranteed demand.
    pub draw_order: DrawOrder,
    /// Tiers, best first is usual but not needed; keys refer to them by index.
    pub tiers: Vec<Tier>,
    /// Index of the tier of keys that the table does not name.
    pub default_tier: u8,
    /// The resources and their budgets; keys refer to them by index.
    pub resources: Vec<Resource>,
    /// The customers known to the forecaster.
    pub keys: Vec<Key>,
}

/// Which bucket pays first for a request that its key's reservation covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrawOrder {
    /// From the pool while it is above the tier's floor; the reservation is spent only when tokens are short.
    #[default]
    PoolFirst,
    /// From the reservation first, then from the pool.
    ShadowFirst,
}

/// A service level that customers belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The name in metrics, headers and reports, such as `gold`.
    pub name: String,
    /// Who goes first among those who wait, 0 before 1: strictly, whatever the weights.
    pub priority: u8,
    /// Share among those who wait with the same priority; at least 1.
    pub weight: u32,
    /// The part of the pool's cap, in thousandths, that this tier leaves untouched for better tiers, where
    /// [`Resource::floors`] does not say otherwise.
    pub floor_permille: u16,
    /// How long a request may wait for tokens, in milliseconds.
    pub max_delay_ms: u32,
    /// Whether its keys may use the pool beyond their contract while tokens are plentiful.
    pub borrow: bool,
    /// Whether its keys may draw on the emergency pool; critical requests of every tier may.
    pub emergency: bool,
    /// How much of what a key's reservation overflowed since it was last used may be drawn below the tier's floor, in
    /// thousandths; 0 for no burst credit.
    pub credit_permille: u16,
    /// Whether its refusals ask for more capacity.
    pub scales: bool,
    /// The contract, per resource index, of keys that have none of their own.
    pub contracts: Vec<Option<Contract>>,
}

impl Default for Tier {
    /// One tier for all: no contract, no floor, no waiting.
    fn default() -> Self {
        Self {
            name: String::from("default"),
            priority: 0,
            weight: 1,
            floor_permille: 0,
            max_delay_ms: 0,
            borrow: true,
            emergency: false,
            credit_permille: 0,
            scales: false,
            contracts: Vec::new(),
        }
    }
}

/// What a customer has bought of one resource: a token bucket (the standard bucket).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The contract's refill rate.
    pub rate: MicroRate,
    /// The contract's burst in tokens.
    pub burst: u64,
}

/// The budget of one resource at this proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The name that plugin configuration and reports use, such as `requests` or `llm_tokens`.
    pub name: String,
    /// Capacity while the table is valid.
    pub capacity: MicroRate,
    /// Burst in tokens: the sum of reservation depths and of the pool's cap.
    pub burst: u64,
    /// Capacity once the table is stale.
    pub safe_capacity: MicroRate,
    /// Tokens are held until a request settles, and come back then: concurrency, memory. Such a resource has no capacity per
    /// second, only a burst.
    pub held: bool,
    /// What is set aside for emergencies, per step.
    pub emergency: Schedule,
    /// The most that one key may draw of the emergency pool in a step, in thousandths of its depth.
    pub emergency_key_permille: u16,
    /// The tiers' floors in thousandths of the pool's cap, `[tier][step]`; a tier without any keeps its constant floor.
    pub floors: Vec<Vec<u16>>,
    /// What is expected to be left of the capacity, in thousandths, per step; empty when nothing is known.
    pub slack_permille: Vec<u16>,
    /// Indices of the resources that could serve the same requests: another pool, another region.
    pub alternatives: Vec<u8>,
    /// What keys without a reservation of their own share, by tier.
    pub tier_reservations: Vec<Schedule>,
}

/// A soft reservation for one step: refilled at `rate` up to `depth`, the rest overflows into the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Guaranteed refill.
    pub rate: MicroRate,
    /// Depth of the shadow bucket in tokens.
    pub depth: u64,
}

/// One customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The hash of the throttling key.
    pub hash: KeyHash,
    /// Index of its tier.
    pub tier: u8,
    /// What it has of each resource it is known on.
    pub grants: Vec<Grant>,
}

/// What one customer has of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Index of the resource.
    pub resource: u8,
    /// Its own contract; the tier's when absent.
    pub contract: Option<Contract>,
    /// Its own shadow bucket, one reservation per step; empty when it shares its tier's.
    pub reservations: Schedule,
    /// What is forecast for the coming steps; only where it has a shadow bucket of its own.
    pub forecast: Forecast,
}

/// What a key is expected to ask for, over the steps of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The lower end of the 80 % interval, the least of all steps.
    pub low: MicroRate,
    /// The upper end of the 80 % interval, the most of all steps; 0 when nothing is forecast.
    pub high: MicroRate,
}

impl Table {
    /// The table format that this build reads and writes.
    pub const FORMAT: u8 = 2;

    /// Leaves one part of every budget, contract and reservation, those of the keys included; if asked for, only of what is
    /// held.
    pub(crate) fn divide(&mut self, share: Share, only_held: bool) {
        if share == Share::WHOLE {
            return;
        }
        for key in &mut self.keys {
            key.divide(share, &self.resources, only_held);
        }
        for tier in &mut self.tiers {
            let contracts = tier.contracts.iter_mut().zip(&self.resources);
            let divided = contracts.filter(|(_, resource)| resource.held || !only_held);
            divided.filter_map(|(contract, _)| contract.as_mut()).for_each(|contract| contract.divide(share));
        }
        for resource in self.resources.iter_mut().filter(|resource| resource.held || !only_held) {
            resource.capacity = resource.capacity.part(share);
            resource.safe_capacity = resource.safe_capacity.part(share);
            resource.burst = whole(share, resource.burst);
            resource.tier_reservations.iter_mut().for_each(|schedule| schedule.peak_mut().divide(share));
            resource.emergency.peak_mut().divide(share);
        }
    }

    /// The same table as a delta on `base_epoch` that names only `keys`.
    fn with_keys(&self, base_epoch: u64, keys: Vec<Key>, removed: Vec<KeyHash>) -> Self {
        Self {
            base_epoch,
            keys,
            removed,
            tiers: self.tiers.clone(),
            resources: self.resources.clone(),
            ..*self
        }
    }

    /// Serialises the table. Does not check it: [`Table::decode`] does.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        ENVELOPE.encode(self)
    }

    /// Reads and checks a table.
    ///
    /// # Errors
    /// Says what is wrong with the bytes or with the numbers in them; nothing has been applied then.
    pub fn decode(bytes: &[u8]) -> Result<Self, TableError> {
        let (mut table, mut reader) = Reader::open(bytes)?;
        let mut checker = Checker::new(&table, reader.left())?;
        while let Some(key) = reader.next(bytes)? {
            checker.key(&key)?;
            table.keys.push(key);
        }
        checker.finish(&table)?;
        Ok(table)
    }

    /// Checks the structural rules of a table that did not come through [`Table::decode`].
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), TableError> {
        let mut checker = Checker::new(self, self.keys.len())?;
        self.keys.iter().try_for_each(|key| checker.key(key))?;
        checker.finish(self)
    }
}

impl Key {
    /// Leaves one part of its contracts and reservations; if asked for, only of those on what is held.
    pub(crate) fn divide(&mut self, share: Share, resources: &[Resource], only_held: bool) {
        if share == Share::WHOLE {
            return;
        }
        let is_held =
            |grant: &Grant| resources.get(usize::from(grant.resource)).is_some_and(|resource| resource.held);
        for grant in self.grants.iter_mut().filter(|grant| !only_held || is_held(grant)) {
            grant.contract.iter_mut().for_each(|contract| contract.divide(share));
            grant.reservations.peak_mut().divide(share);
            grant.forecast.low.0 = share.of(grant.forecast.low.0);
            grant.forecast.high.0 = share.of(grant.forecast.high.0);
        }
    }
}

impl Contract {
    fn divide(&mut self, share: Share) {
        self.rate = self.rate.part(share);
        self.burst = whole(share, self.burst);
    }
}

impl Reservation {
    /// Rounded down, so that the parts of reservations fit into the parts of budgets.
    fn divide(&mut self, share: Share) {
        self.rate.0 = share.of(self.rate.0);
        self.depth = share.of(self.depth);
    }
}

/// A part of `tokens`, never rounded down to nothing.
fn whole(share: Share, tokens: u64) -> u64 {
    share.of(tokens).max(tokens.min(1))
}

#[cfg(test)]
mod tests;
