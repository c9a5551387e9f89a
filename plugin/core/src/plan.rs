//! Planning: from forecasts, tiers and capacity to the table that guarantees each customer its share, step by step.
//!
//! Runs in the forecaster for the whole fleet; pure, so anyone may run it natively. Floats are fine here: the result
//! is quantised into the table, and only the table decides.

use alloc::{string::String, vec::Vec};

use crate::table::{self, Contract, DrawOrder, Table};

/// The quantile levels that a forecast carries, in this order.
pub const LEVELS: [f64; 5] = [0.025, 0.1, 0.5, 0.9, 0.975];

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub struct PlanInput {
    /// Epoch of the table to make.
    pub epoch: u64,
    /// Start of the first step, ms since the Unix epoch.
    pub starts_at_ms: u64,
    /// Step length in milliseconds.
    pub step_ms: u32,
    /// Number of steps to plan.
    pub steps: u16,
    /// When the table goes stale, ms since the Unix epoch.
    pub valid_until_ms: u64,
    /// See [`DrawOrder`].
    pub draw_order: DrawOrder,
    /// The tiers.
    pub tiers: Vec<TierPolicy>,
    /// Index of the tier of unknown keys.
    pub default_tier: u8,
    /// The resources.
    pub resources: Vec<ResourcePolicy>,
    /// The customers with a forecast or a contract.
    pub customers: Vec<Customer>,
}

/// A tier as the planner sees it.
#[derive(Clone, Debug)]
pub struct TierPolicy {
    /// The part that travels in the table.
    pub tier: table::Tier,
    /// Share by weight when capacity is short.
    pub weight: f64,
    /// The quantile of the forecast that this tier's reservations aim at, in (0, 1).
    pub risk_quantile: f64,
}

/// A resource as the planner sees it.
#[derive(Clone, Debug)]
pub struct ResourcePolicy {
    /// Name.
    pub name: String,
    /// Capacity in tokens per second.
    pub capacity_per_s: f64,
    /// Burst in tokens.
    pub burst: u64,
    /// Capacity in tokens per second once the table is stale.
    pub safe_capacity_per_s: f64,
    /// At most this part of capacity and burst, in [0, 1], is reserved; the rest always feeds the pool.
    pub reservable_share: f64,
}

/// One customer as the planner sees it.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The throttling key.
    pub key: String,
    /// Index of its tier.
    pub tier: u8,
    /// What is known of it, per resource.
    pub demands: Vec<Demand>,
}

/// One customer's expected demand on one resource.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Index of the resource.
    pub resource: u8,
    /// Its own contract; the tier's when absent.
    pub contract: Option<Contract>,
    /// Tokens per step at each of [`LEVELS`], one row per step; empty when there is no forecast yet.
    pub forecast: Vec<[f64; LEVELS.len()]>,
    /// Largest single cost seen, in tokens; at least 1.
    pub largest_cost: u64,
}

/// Plans every step.
///
/// The result passes [`Table::check`]: in every step reservations fit capacity and burst.
#[must_use]
pub fn plan(_input: &PlanInput) -> Table {
    unreachable!()
}
