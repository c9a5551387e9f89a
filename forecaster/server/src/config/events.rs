//! The `forecast.events` section: a calendar of what is known to come, such as campaigns and holidays.
//!
//! What demand is like during an event is learned under its name, so events that are alike share one. An event of some
//! customers or tiers is one of theirs; without either it is everybody's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_learn::{Learner, NamedCustomer};

use super::{
    TierConfig,
    section::{NAME_ADVICE, Rule, Section, is_name},
    to_millis,
};

/// An event of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// What stands for its name.
    number: u64,
    starts_at_ms: u64,
    length_ms: u64,
    /// It comes again so much later.
    every_ms: Option<u64>,
    /// Whose it is; everybody's if nobody's.
    keys: Vec<String>,
}

const LENGTH: Rule = Rule {
    holds: |seconds| (1.0..=31_622_400.0).contains(&seconds),
    says: "give seconds from 1 to 31622400, a year",
};
const EVERY: Rule = Rule {
    holds: |seconds| (60.0..=31_622_400.0).contains(&seconds),
    says: "give seconds from 60 to 31622400, such as 604800 for a week, and more than duration_s",
};

/// Reads the calendar, once it is known who the customers are.
pub(super) fn read(
    forecast: &Section<'_>,
    tiers: &[TierConfig],
    customers: &BTreeMap<String, NamedCustomer>,
) -> Vec<Event> {
    let named = forecast.section("events").named();
    named.iter().filter_map(|(name, event)| read_one(name, event, tiers, customers)).collect()
}

fn read_one(
    name: &str,
    event: &Section<'_>,
    tiers: &[TierConfig],
    customers: &BTreeMap<String, NamedCustomer>,
) -> Option<Event> {
    if !is_name(name) {
        event.wrong_here(NAME_ADVICE);
    }
    let starts_at_ms = event.text("starts_at").map(|text| text.parse::<Timestamp>().map_err(|_| text));
    let starts_at_ms = match starts_at_ms {
        Some(Ok(time)) => u64::try_from(time.as_millisecond()).ok(),
        Some(Err(text)) => {
            let says = format!("`{text}` is no time; give one with a zone, such as 2026-11-27T09:00:00Z");
            event.wrong("starts_at", &says);
            None
        }
        None => {
            event.wrong_here("has no starts_at; give a time with a zone, such as 2026-11-27T09:00:00Z");
            None
        }
    };
    let length_ms = to_millis(event.required_number("duration_s", &LENGTH));
    let every_ms = event.number("every_s", &EVERY).map(to_millis);
    if every_ms.is_some_and(|every_ms| every_ms <= length_ms) {
        event.wrong("every_s", EVERY.says);
    }
    let kind = event.text("kind").unwrap_or(name);
    let mut keys = Vec::new();
    for (line, key) in event.texts("customers") {
        if !customers.contains_key(key) {
            event.wrong_at(
                line,
                "customers",
                &format!("there is no customer `{key}`; name it under customers"),
            );
        }
        keys.push(key.to_owned());
    }
    for (line, text) in event.texts("tiers") {
        let tier = tiers.iter().position(|tier| tier.policy.tier.name == text);
        if tier.is_none() {
            event.wrong_at(line, "tiers", &format!("there is no tier `{text}`; name it under tiers"));
        }
        let of_tier = customers.iter().filter(|(_, one)| Some(usize::from(one.tier)) == tier);
        keys.extend(of_tier.map(|(key, _)| key.clone()));
    }
    event.finish();
    Some(Event { number: number_of(kind), starts_at_ms: starts_at_ms?, length_ms, every_ms, keys })
}

/// The same for the same name, whatever else is in the file (FNV-1a).
fn number_of(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Event {
    /// Tells the learner of the occurrences that go on in the steps from one to before another.
    pub(crate) fn announce(&self, learner: &mut Learner, step_ms: u64, from: u64, until: u64) {
        for (first, end) in self.between(step_ms, from, until) {
            if self.keys.is_empty() {
                learner.announce(None, self.number, first, end);
            }
            for key in &self.keys {
                learner.announce(Some(key), self.number, first, end);
            }
        }
    }

    /// First steps, and those after the last, of the occurrences that go on in the steps from one to before another.
    fn between(&self, step_ms: u64, from: u64, until: u64) -> Vec<(u64, u64)> {
        let (from_ms, until_ms) = (from * step_ms, until * step_ms);
        // An occurrence goes on until it has ended, so the first that counts may have begun before.
        let passed = (from_ms + 1).saturating_sub(self.starts_at_ms + self.length_ms);
        let skipped = self.every_ms.map_or(0, |every_ms| passed.div_ceil(every_ms) * every_ms);
        let mut found = Vec::new();
        let mut starts_at_ms = self.starts_at_ms + skipped;
        while starts_at_ms < until_ms {
            let ends_at_ms = starts_at_ms + self.length_ms;
            if ends_at_ms > from_ms {
                found.push((starts_at_ms / step_ms, ends_at_ms.div_ceil(step_ms)));
            }
            let Some(every_ms) = self.every_ms else { break };
            starts_at_ms += every_ms;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occurrences_that_go_on_are_found_whenever_the_first_was() {
        let once = Event { number: 1, starts_at_ms: 5000, length_ms: 2500, every_ms: None, keys: vec![] };
        assert_eq!(once.between(1000, 0, 5), []);
        assert_eq!(once.between(1000, 0, 6), [(5, 8)]);
        assert_eq!(once.between(1000, 7, 9), [(5, 8)]);
        assert_eq!(once.between(1000, 8, 90), []);
        let weekly = Event { every_ms: Some(10_000), ..once };
        assert_eq!(weekly.between(1000, 0, 30), [(5, 8), (15, 18), (25, 28)]);
        assert_eq!(weekly.between(1000, 7, 8), [(5, 8)]);
        assert_eq!(weekly.between(1000, 8, 15), []);
        assert_eq!(
            weekly.between(1000, 1_000_006, 1_000_016),
            [(1_000_005, 1_000_008), (1_000_015, 1_000_018)]
        );
    }

    #[test]
    fn names_have_numbers_that_stay() {
        assert_ne!(number_of("sale"), number_of("holiday"));
        assert_eq!(number_of(""), 0xcbf2_9ce4_8422_2325);
    }
}
