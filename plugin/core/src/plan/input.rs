//! What a plan is made from.

use alloc::{string::String, vec::Vec};

use super::LEVELS;
use crate::table::{Contract, DrawOrder, Tier};

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
    /// How probable a spike is in each step, in [0, 1]; none is expected in steps without an entry. It raises the
    /// emergency reserve and nobody's reservation: who caused the alarm gains nothing by it.
    pub spike_probability: Vec<f64>,
}

/// A tier as the planner sees it.
#[derive(Clone, Debug)]
pub struct TierPolicy {
    /// The part that travels in the table.
    pub tier: Tier,
    /// Share by weight when capacity is short.
    pub weight: f64,
    /// The quantile of the forecast that this tier's reservations aim at, in (0, 1).
    pub risk_quantile: f64,
    /// How much an 80 % interval as wide as the median shrinks a reservation: to 1 / (1 + this); 0 or more.
    pub uncertainty_aversion: f64,
}

/// A resource as the planner sees it.
#[derive(Clone, Debug, Default)]
pub struct ResourcePolicy {
    /// Name.
    pub name: String,
    /// Capacity in tokens per second; a held resource has none.
    pub capacity_per_s: f64,
    /// Burst in tokens.
    pub burst: u64,
    /// Capacity in tokens per second once the table is stale; a held resource has none.
    pub safe_capacity_per_s: f64,
    /// At most this part of capacity and burst, in [0, 1], is reserved; the rest always feeds the pool.
    pub reservable_share: f64,
    /// This part of capacity and burst, in [0, 1], is set aside for emergencies; the rest may be reserved.
    pub emergency_share: f64,
    /// What is set aside in a step in which a spike is certain; in between it grows with the probability. Nothing grows
    /// when this is not above `emergency_share`.
    pub emergency_max_share: f64,
    /// The most that one key may draw of the emergency pool in a step, as a part of its depth.
    pub emergency_key_share: f64,
    /// Tokens are held until a request settles: concurrency, memory. `burst` is all there is of it then, and forecasts
    /// are of levels.
    pub held: bool,
    /// How long a request holds its tokens on average, in seconds. The planner does not read it: who makes the input
    /// turns the demand that was counted into levels with it. 0 when unknown.
    pub hold_s: f64,
    /// Whether the plan lowers floors to what better tiers are forecast to need; what is configured is the most they are.
    /// Off by default: such a rule becomes a default only when it beats the best constant floors in `tidegate simulate`.
    pub planned_floors: bool,
    /// Indices of the resources that could serve the same requests.
    pub alternatives: Vec<u8>,
}

/// One customer as the planner sees it.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The throttling key.
    pub key: String,
    /// Index of its tier.
    pub tier: u8,
    /// What is known of it, per resource. What it wants of several resources it wants together.
    pub demands: Vec<Demand>,
}

/// One customer's expected demand on one resource.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Index of the resource.
    pub resource: u8,
    /// Its own contract; the tier's when absent.
    pub contract: Option<Contract>,
    /// Tokens per step at each of [`LEVELS`], one row per step; of a held resource, tokens held at the same time. Empty
    /// when there is no forecast yet.
    pub forecast: Vec<[f64; LEVELS.len()]>,
    /// Largest single cost seen, in tokens; at least 1.
    pub largest_cost: u64,
}
