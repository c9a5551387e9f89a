//! The `resources` section: what there is to share out.

use tidegate_core::{plan::ResourcePolicy, table::MAX_RESOURCES};

use super::section::{NAME_ADVICE, Rule, Section, is_name};

/// Amounts in the core end at 2⁴³ tokens.
const MAX_TOKENS: f64 = (1_u64 << 42) as f64;

pub(super) const RATE: Rule =
    Rule { holds: |rate| rate > 0.0 && rate <= MAX_TOKENS, says: "give tokens per second, more than 0" };
pub(super) const BURST: Rule = Rule {
    holds: |burst| (1.0..=MAX_TOKENS).contains(&burst) && burst.fract() == 0.0,
    says: "give a whole number of tokens, at least 1",
};
pub(super) const SHARE: Rule =
    Rule { holds: |share| (0.0..=1.0).contains(&share), says: "give a share between 0 and 1" };

pub(super) fn read(root: &Section<'_>) -> Vec<ResourcePolicy> {
    let section = root.section("resources");
    let mut resources = Vec::new();
    for (name, resource) in section.named() {
        if !is_name(name) {
            resource.wrong_here(NAME_ADVICE);
        }
        let capacity_per_s = resource.required_number("capacity_per_s", &RATE);
        resources.push(ResourcePolicy {
            name: name.to_owned(),
            capacity_per_s,
            burst: resource.required_number("burst", &BURST) as u64,
            safe_capacity_per_s: resource.number("safe_capacity_per_s", &RATE).unwrap_or(capacity_per_s),
            reservable_share: resource.number("reservable_share", &SHARE).unwrap_or(0.8),
            emergency_share: resource.number("emergency_share", &SHARE).unwrap_or(0.0),
            emergency_key_share: resource.number("emergency_key_share", &SHARE).unwrap_or(0.25),
            ..ResourcePolicy::default()
        });
        resource.finish();
    }
    if resources.is_empty() {
        section.wrong_here("is missing; name at least one resource, with capacity_per_s and burst");
    }
    if resources.len() > MAX_RESOURCES {
        section.wrong_here(&format!("has {} entries; give at most {MAX_RESOURCES}", resources.len()));
    }
    resources
}
