//! One policy under test: everything that a forecaster's configuration says about who is served how.

use std::collections::BTreeMap;

use tidegate_core::{
    plan::{ResourcePolicy, TierPolicy},
    table::DrawOrder,
};
use tidegate_learn::{Learning, NamedCustomer};

use crate::trace::Names;

/// How generated customers are served: a policy but for who they are and how large the resources.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How they are called in tables.
    pub name: String,
    /// The tiers, best first.
    pub tiers: Vec<TierPolicy>,
    /// Which bucket pays first for guaranteed demand.
    pub draw_order: DrawOrder,
    /// See [`ResourcePolicy::reservable_share`].
    pub reservable_share: f64,
    /// See [`ResourcePolicy::emergency_share`].
    pub emergency_share: f64,
    /// See [`ResourcePolicy::emergency_key_share`].
    pub emergency_key_share: f64,
}

/// A policy, independent of where it was written down.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How it is called in tables.
    pub name: String,
    /// How keys are learned.
    pub learning: Learning,
    /// Length of usage windows in milliseconds.
    pub report_interval_ms: u32,
    /// Length of a step in milliseconds.
    pub step_ms: u32,
    /// Steps planned ahead.
    pub horizon_steps: u16,
    /// Which bucket pays first for guaranteed demand.
    pub draw_order: DrawOrder,
    /// The tiers, best first.
    pub tiers: Vec<TierPolicy>,
    /// Index of the tier of keys that are no named customers.
    pub default_tier: u8,
    /// The resources.
    pub resources: Vec<ResourcePolicy>,
    /// The named customers by key.
    pub customers: BTreeMap<String, NamedCustomer>,
    /// How the capacity of the first resource follows demand, if it does.
    pub elastic: Option<Elastic>,
}

/// How capacity follows demand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elastic {
    /// Demand over capacity that it aims at.
    pub utilisation: f64,
    /// So many steps lie between an order and the capacity.
    pub lead_steps: u64,
    /// Capacity comes and goes in units of so many tokens per second.
    pub unit_per_s: f64,
    /// The burst, in seconds of the capacity.
    pub burst_s: f64,
}

impl Policy {
    /// Serves the same customers on other terms.
    pub(crate) fn set_terms(&mut self, terms: &Terms) {
        self.name.clone_from(&terms.name);
        self.tiers.clone_from(&terms.tiers);
        self.draw_order = terms.draw_order;
        for resource in &mut self.resources {
            resource.reservable_share = terms.reservable_share;
            resource.emergency_share = terms.emergency_share;
            resource.emergency_key_share = terms.emergency_key_share;
        }
    }

    /// Changes the capacity of the first resource.
    pub(crate) fn resize(&mut self, capacity_per_s: f64, burst: u64) {
        if let Some(resource) = self.resources.first_mut() {
            resource.capacity_per_s = capacity_per_s;
            resource.safe_capacity_per_s = capacity_per_s;
            resource.burst = burst;
        }
    }

    /// As the planner's input is made from it.
    pub(crate) fn view(&self) -> tidegate_learn::Policy<'_> {
        tidegate_learn::Policy {
            step_ms: self.step_ms,
            horizon_steps: self.horizon_steps,
            draw_order: self.draw_order,
            tiers: self.tiers.clone(),
            default_tier: self.default_tier,
            resources: &self.resources,
            customers: &self.customers,
        }
    }

    /// Whether a tier is among the better half of priorities.
    pub(crate) fn is_upper(&self, tier: &TierPolicy) -> bool {
        let mut priorities: Vec<u8> = self.tiers.iter().map(|tier| tier.tier.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let rank = priorities.partition_point(|priority| *priority < tier.tier.priority);
        rank < priorities.len().div_ceil(2)
    }

    /// By index of the trace's resources, the index of each in this policy.
    pub(crate) fn resource_indices(&self, names: &Names) -> Vec<Option<usize>> {
        let index = |name: &String| self.resources.iter().position(|resource| resource.name == *name);
        names.all().iter().map(index).collect()
    }

    /// Index of a key's tier.
    pub(crate) fn tier_of(&self, key: &str) -> u8 {
        self.customers.get(key).map_or(self.default_tier, |customer| customer.tier)
    }

    /// The step that an instant lies in.
    pub(crate) fn step_at(&self, at_ms: u64) -> u64 {
        at_ms / u64::from(self.step_ms.max(1))
    }
}
