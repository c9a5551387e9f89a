//! The `resources` section: what there is to share out.

use tidegate_core::{plan::ResourcePolicy, table::MAX_RESOURCES};

use super::section::{NAME_ADVICE, Rule, Section, is_name};

/// No table has larger rates or amounts.
const MAX_RATE_PER_S: f64 = 1e9;
const MAX_TOKENS: f64 = (1_u64 << 40) as f64;

pub(super) const RATE: Rule = Rule {
    holds: |rate| rate > 0.0 && rate <= MAX_RATE_PER_S,
    says: "give tokens per second, more than 0, at most 1000000000",
};
pub(super) const BURST: Rule = Rule {
    holds: |burst| (1.0..=MAX_TOKENS).contains(&burst) && burst.fract() == 0.0,
    says: "give a whole number of tokens, at least 1",
};
/// Nothing is reserved unless asked for: where better tiers may wait or have floors, `tidegate simulate` finds that
/// reservations cost more than they protect.
const RESERVABLE_SHARE: f64 = 0.0;

pub(super) const SHARE: Rule =
    Rule { holds: |share| (0.0..=1.0).contains(&share), says: "give a share between 0 and 1" };
const HOLD: Rule = Rule {
    holds: |seconds| seconds > 0.0 && seconds <= 86_400.0,
    says: "give seconds, more than 0, at most 86400",
};

pub(super) fn read(root: &Section<'_>) -> Vec<ResourcePolicy> {
    let section = root.section("resources");
    let named = section.named();
    let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    let resources = named.iter().map(|(name, resource)| read_one(name, resource, &names)).collect();
    if names.is_empty() {
        section.wrong_here("is missing; name at least one resource, with capacity_per_s and burst");
    }
    if names.len() > MAX_RESOURCES {
        section.wrong_here(&format!("has {} entries; give at most {MAX_RESOURCES}", names.len()));
    }
    resources
}

fn read_one(name: &str, resource: &Section<'_>, names: &[&str]) -> ResourcePolicy {
    if !is_name(name) {
        resource.wrong_here(NAME_ADVICE);
    }
    let held = resource.choice("kind", &[("rate", false), ("held", true)]).unwrap_or(false);
    let (capacity_per_s, safe_capacity_per_s, hold_s) = if held {
        for key in ["capacity_per_s", "safe_capacity_per_s"] {
            resource
                .forbid(key, "is given, but what is held has no rate; remove it, `burst` is all there is");
        }
        (0.0, 0.0, resource.number("hold_s", &HOLD).unwrap_or(0.0))
    } else {
        resource.forbid("hold_s", "is given, but only what is held has it; remove it, or give `kind: held`");
        let capacity_per_s = resource.required_number("capacity_per_s", &RATE);
        (capacity_per_s, resource.number("safe_capacity_per_s", &RATE).unwrap_or(capacity_per_s), 0.0)
    };
    let emergency_share = resource.number("emergency_share", &SHARE).unwrap_or(0.0);
    let emergency_max_share = resource.number("emergency_max_share", &SHARE).unwrap_or(emergency_share);
    if emergency_max_share < emergency_share {
        resource.wrong("emergency_max_share", "is less than emergency_share; give at least as much");
    }
    let policy = ResourcePolicy {
        name: name.to_owned(),
        capacity_per_s,
        burst: resource.required_number("burst", &BURST) as u64,
        safe_capacity_per_s,
        reservable_share: resource.number("reservable_share", &SHARE).unwrap_or(RESERVABLE_SHARE),
        emergency_share,
        emergency_max_share,
        emergency_key_share: resource.number("emergency_key_share", &SHARE).unwrap_or(0.25),
        held,
        hold_s,
        planned_floors: resource.flag("planned_floors").unwrap_or(false),
        alternatives: alternatives(name, resource, names),
    };
    resource.finish();
    policy
}

/// Indices of the resources that could serve the same requests.
fn alternatives(name: &str, resource: &Section<'_>, names: &[&str]) -> Vec<u8> {
    const KEY: &str = "alternatives";
    let mut found = Vec::new();
    for (line, text) in resource.texts(KEY) {
        let index = names.iter().position(|name| *name == text).and_then(|index| u8::try_from(index).ok());
        match index {
            None => {
                let others: Vec<&str> = names.iter().copied().filter(|other| *other != name).collect();
                let advice = if others.is_empty() {
                    "remove it".to_owned()
                } else {
                    format!("give {}", others.join(" or "))
                };
                resource.wrong_at(line, KEY, &format!("there is no resource `{text}`; {advice}"));
            }
            Some(_) if text == name => {
                resource.wrong_at(line, KEY, &format!("`{text}` is no alternative to itself; remove it"));
            }
            Some(index) if found.contains(&index) => {
                resource.wrong_at(line, KEY, &format!("`{text}` is given twice; remove one"));
            }
            Some(index) => found.push(index),
        }
    }
    found
}
