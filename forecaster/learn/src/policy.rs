//! What is to be planned for whom: the part of the configuration that the planner needs beside forecasts.

use std::collections::BTreeMap;

use tidegate_core::{
    plan::{ResourcePolicy, TierPolicy},
    table::{Contract, DrawOrder},
};

/// Who is to be served how.
#[derive(Clone, Debug)]
pub struct Policy<'a> {
    /// Length of a step in milliseconds.
    pub step_ms: u32,
    /// Steps planned ahead.
    pub horizon_steps: u16,
    /// Which bucket pays first for guaranteed demand.
    pub draw_order: DrawOrder,
    /// The tiers; customers refer to them by index.
    pub tiers: Vec<TierPolicy>,
    /// Index of the tier of keys that are no named customers.
    pub default_tier: u8,
    /// The resources; contracts and series refer to them by index.
    pub resources: &'a [ResourcePolicy],
    /// The named customers by key.
    pub customers: &'a BTreeMap<String, NamedCustomer>,
}

/// A customer that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCustomer {
    /// Index of its tier.
    pub tier: u8,
    /// Its own contract per resource index; the tier's when absent.
    pub contracts: Vec<Option<Contract>>,
}
