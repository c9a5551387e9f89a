//! The `tiers` and `customers` sections: who is served how well, and what they have bought.

use std::collections::BTreeMap;

use tidegate_core::{
    plan::{ResourcePolicy, TierPolicy},
    table::{Contract, MAX_TIERS, Tier},
    units::MicroRate,
};
use tidegate_learn::NamedCustomer;

use super::{
    TierConfig,
    resources::{BURST, RATE, SHARE},
    section::{NAME_ADVICE, Rule, Section, is_name},
};

/// More named customers than this do not fit a table.
const MAX_CUSTOMERS: usize = 500_000;

const WEIGHT: Rule = Rule {
    holds: |weight| weight > 0.0 && weight <= 1e6,
    says: "give a number above 0; twice the weight is twice the share when capacity is short",
};
const QUANTILE: Rule = Rule {
    holds: |quantile| quantile > 0.0 && quantile < 1.0,
    says: "give a quantile between 0 and 1, both excluded, such as 0.9",
};
const DELAY: Rule = Rule {
    holds: |delay_ms| (0.0..=60_000.0).contains(&delay_ms) && delay_ms.fract() == 0.0,
    says: "give whole milliseconds from 0 to 60000",
};
const PRIORITY: Rule = Rule {
    holds: |priority| (0.0..=100.0).contains(&priority) && priority.fract() == 0.0,
    says: "give a whole number from 0 (served first) to 100",
};
const AVERSION: Rule = Rule {
    holds: |aversion| (0.0..=100.0).contains(&aversion),
    says: "give a number from 0 (reserve the whole quantile) to 100",
};
/// Stands for a priority that the file does not give, until all tiers are known.
const UNRANKED: u8 = u8::MAX;
const PRICE: Rule =
    Rule { holds: |price| (0.0..=1e12).contains(&price), says: "give a price, 0 or more, in your currency" };

pub(super) fn read(root: &Section<'_>, resources: &[ResourcePolicy]) -> Vec<TierConfig> {
    let section = root.section("tiers");
    let mut tiers = Vec::new();
    for (name, tier) in section.named() {
        if !is_name(name) {
            tier.wrong_here(NAME_ADVICE);
        }
        let floor = tier.number("floor", &SHARE).unwrap_or(0.0);
        let weight = tier.number("weight", &WEIGHT).unwrap_or(1.0);
        let priority = tier.number("priority", &PRIORITY);
        let policy = TierPolicy {
            tier: Tier {
                name: name.to_owned(),
                floor_permille: (floor * 1000.0).round() as u16,
                max_delay_ms: tier.number("max_delay_ms", &DELAY).unwrap_or(0.0) as u32,
                contracts: contracts(&tier, resources),
                // Who waits is told apart in whole weights.
                weight: weight.round().max(1.0) as u32,
                priority: priority.map_or(UNRANKED, |priority| priority as u8),
                borrow: tier.flag("borrow").unwrap_or(true),
                emergency: tier.flag("emergency").unwrap_or(false),
                credit_permille: (tier.number("burst_credit", &SHARE).unwrap_or(0.0) * 1000.0).round() as u16,
                scales: tier.flag("scales").unwrap_or(true),
            },
            weight,
            risk_quantile: tier.number("risk_quantile", &QUANTILE).unwrap_or(0.5),
            uncertainty_aversion: tier.number("uncertainty_aversion", &AVERSION).unwrap_or(0.5),
        };
        tiers.push(TierConfig { policy, price_per_month: tier.number("price_per_month", &PRICE) });
        tier.finish();
    }
    rank(&mut tiers);
    if tiers.is_empty() {
        section.wrong_here("is missing; name at least one tier, such as `standard: { weight: 1 }`");
    }
    if tiers.len() > MAX_TIERS {
        section.wrong_here(&format!("has {} entries; give at most {MAX_TIERS}", tiers.len()));
    }
    tiers
}

/// Tiers without a priority of their own are ranked by weight: the heavier is served first.
fn rank(tiers: &mut [TierConfig]) {
    let mut weights: Vec<f64> = tiers.iter().map(|tier| tier.policy.weight).collect();
    weights.sort_unstable_by(|a, b| b.total_cmp(a));
    weights.dedup();
    for tier in tiers.iter_mut().filter(|tier| tier.policy.tier.priority == UNRANKED) {
        let heavier = weights.iter().take_while(|weight| **weight > tier.policy.weight).count();
        tier.policy.tier.priority = heavier.min(100) as u8;
    }
}

pub(super) fn default_tier(root: &Section<'_>, tiers: &[TierConfig]) -> Option<u8> {
    match root.text("default_tier") {
        Some(name) => tier_index(root, "default_tier", name, tiers),
        // A file without tiers has been reported already.
        None if tiers.len() <= 1 => Some(0),
        None => {
            root.wrong("default_tier", "is missing; name the tier of keys that are no customers");
            None
        }
    }
}

pub(super) fn customers(
    root: &Section<'_>,
    tiers: &[TierConfig],
    resources: &[ResourcePolicy],
) -> BTreeMap<String, NamedCustomer> {
    let section = root.section("customers");
    let mut customers = BTreeMap::new();
    for (key, customer) in section.named() {
        let tier = match customer.text("tier") {
            Some(name) => tier_index(&customer, "tier", name, tiers),
            None => {
                customer.wrong("tier", "is missing; name one of the tiers");
                None
            }
        };
        let contracts = contracts(&customer, resources);
        customer.finish();
        customers.insert(key.to_owned(), NamedCustomer { tier: tier.unwrap_or(0), contracts });
    }
    if customers.len() > MAX_CUSTOMERS {
        section.wrong_here(&format!("has {} entries; give at most {MAX_CUSTOMERS}", customers.len()));
    }
    customers
}

fn tier_index(section: &Section<'_>, key: &str, name: &str, tiers: &[TierConfig]) -> Option<u8> {
    let index = tiers.iter().position(|tier| tier.policy.tier.name == name);
    if index.is_none() {
        let names: Vec<&str> = tiers.iter().map(|tier| tier.policy.tier.name.as_str()).collect();
        section.wrong(key, &format!("there is no tier `{name}`; give {}", names.join(" or ")));
    }
    index.and_then(|index| u8::try_from(index).ok())
}

/// The `contract` section of a tier or customer, by resource index.
fn contracts(section: &Section<'_>, resources: &[ResourcePolicy]) -> Vec<Option<Contract>> {
    let mut contracts = vec![None; resources.len()];
    for (name, contract) in section.section("contract").named() {
        let found = resources.iter().zip(&mut contracts).find(|(resource, _)| resource.name == name);
        let rate = if found.as_ref().is_some_and(|(resource, _)| resource.held) {
            contract
                .forbid("rate_per_s", "is given, but what is held has no rate; remove it, `burst` is enough");
            MicroRate(0)
        } else {
            MicroRate::from_per_s(contract.required_number("rate_per_s", &RATE))
        };
        let burst = contract.required_number("burst", &BURST) as u64;
        contract.finish();
        match found {
            Some((_, slot)) => *slot = Some(Contract { rate, burst }),
            None => contract.wrong_here("there is no such resource; name one of `resources`"),
        }
    }
    contracts
}
