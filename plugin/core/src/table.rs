//! The table: who is guaranteed what, step by step, under which policy. The forecaster writes it, proxies obey it.
//!
//! [`Table::decode`] returns only tables that hold every structural rule, so the allocator never meets absurd
//! numbers: indices are in range, and in every step the reservations fit the capacity and the burst.

mod check;
mod delta;

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

pub use check::{MAX_KEYS, MAX_RESOURCES, MAX_STEPS, MAX_TIERS, TableError};
pub use delta::Baseline;

use crate::{
    units::{KeyHash, MicroRate, Share},
    wire::Envelope,
};

const ENVELOPE: Envelope = Envelope { name: "table", magic: *b"TGT", version: Table::FORMAT };

/// A plan plus policy for one proxy, valid for a few steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The part of the pool's cap, in thousandths, that this tier leaves untouched for better tiers.
    pub floor_permille: u16,
    /// How long a request may wait by borrowing future refill, in milliseconds.
    pub max_delay_ms: u32,
    /// The contract, per resource index, of keys that have none of their own.
    pub contracts: Vec<Option<Contract>>,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The name that plugin configuration and reports use, such as `requests` or `llm_tokens`.
    pub name: String,
    /// Capacity while the table is valid.
    pub capacity: MicroRate,
    /// Burst in tokens: the sum of reservation depths and of the pool's cap.
    pub burst: u64,
    /// Capacity once the table is stale.
    pub safe_capacity: MicroRate,
    /// What keys without a reservation of their own share, `[tier][step]`.
    pub tier_reservations: Vec<Vec<Reservation>>,
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
    pub reservations: Vec<Reservation>,
}

impl Table {
    /// The table format that this build reads and writes.
    pub const FORMAT: u8 = 1;

    /// Leaves one part of every budget, contract and reservation.
    pub(crate) fn divide(&mut self, share: Share) {
        if share == Share::WHOLE {
            return;
        }
        let whole = |tokens: &mut u64| *tokens = share.of(*tokens).max((*tokens).min(1));
        let contracts = self.tiers.iter_mut().flat_map(|tier| &mut tier.contracts).flatten();
        let own =
            self.keys.iter_mut().flat_map(|key| &mut key.grants).filter_map(|grant| grant.contract.as_mut());
        for contract in contracts.chain(own) {
            contract.rate = contract.rate.part(share);
            whole(&mut contract.burst);
        }
        for resource in &mut self.resources {
            resource.capacity = resource.capacity.part(share);
            resource.safe_capacity = resource.safe_capacity.part(share);
            whole(&mut resource.burst);
        }
        let shared = self.resources.iter_mut().flat_map(|resource| &mut resource.tier_reservations).flatten();
        let own =
            self.keys.iter_mut().flat_map(|key| &mut key.grants).flat_map(|grant| &mut grant.reservations);
        for reservation in shared.chain(own) {
            // Rounded down, so that the parts of reservations fit into the parts of budgets.
            reservation.rate.0 = share.of(reservation.rate.0);
            reservation.depth = share.of(reservation.depth);
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
        let table: Self = ENVELOPE.decode(bytes)?;
        check::check(&table)?;
        Ok(table)
    }

    /// Checks the structural rules of a table that did not come through [`Table::decode`].
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), TableError> {
        check::check(self)
    }
}
