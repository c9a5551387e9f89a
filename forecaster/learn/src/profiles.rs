//! What requests of each key are like, lately: whose they are, and what they take.
//!
//! Everything is discounted over time and bounded: a few kilobytes for each key and resource, at most so many keys.

use std::collections::BTreeMap;

use crate::{shares::Shares, spread::Spread};

/// What is known counts for half as much after so long.
const HALF_LIFE_MS: f64 = 86_400_000.0;

/// What a request can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// CPU time at the upstream, in microseconds.
    CpuUs,
    /// Memory at the upstream.
    MemoryBytes,
    /// Bytes of request and response.
    NetworkBytes,
    /// Time from admission to the end of the response.
    DurationMs,
}

/// Something that is known of some requests of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// The customer's kind of account.
    AccountType(&'a str),
    /// The client's version.
    ClientVersion(&'a str),
    /// The bucket of what they took.
    Took(Take, u16),
}

/// What requests of one key on one resource are like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// By kind of account.
    pub account_types: Shares,
    /// By the client's version.
    pub client_versions: Shares,
    /// CPU time at the upstream.
    pub cpu_us: Spread,
    /// Memory at the upstream.
    pub memory_bytes: Spread,
    /// Bytes of request and response.
    pub network_bytes: Spread,
    /// How long they took.
    pub duration_ms: Spread,
    /// Up to when it has faded.
    at_ms: u64,
}

/// The profile of every key.
#[derive(Debug)]
pub struct Profiles {
    most_keys: usize,
    of: BTreeMap<String, Vec<Option<Box<Profile>>>>,
    /// Of all keys together, by resource, those included that have no place.
    all: Vec<Profile>,
}

impl Profile {
    fn add(&mut self, at_ms: u64, known: Known<'_>, requests: u64) {
        self.fade_to(at_ms);
        match known {
            Known::AccountType(name) => self.account_types.add(name, requests as f64),
            Known::ClientVersion(name) => self.client_versions.add(name, requests as f64),
            Known::Took(Take::CpuUs, bucket) => self.cpu_us.add(bucket, requests),
            Known::Took(Take::MemoryBytes, bucket) => self.memory_bytes.add(bucket, requests),
            Known::Took(Take::NetworkBytes, bucket) => self.network_bytes.add(bucket, requests),
            Known::Took(Take::DurationMs, bucket) => self.duration_ms.add(bucket, requests),
        }
    }

    fn fade_to(&mut self, at_ms: u64) {
        let passed_ms = at_ms.saturating_sub(self.at_ms);
        if passed_ms == 0 {
            return;
        }
        if self.at_ms > 0 {
            let factor = 0.5_f64.powf(passed_ms as f64 / HALF_LIFE_MS);
            self.account_types.fade(factor);
            self.client_versions.fade(factor);
            let spreads =
                [&mut self.cpu_us, &mut self.memory_bytes, &mut self.network_bytes, &mut self.duration_ms];
            spreads.into_iter().for_each(|spread| spread.fade(factor));
        }
        self.at_ms = at_ms;
    }
}

impl Profiles {
    /// Of at most so many keys, on so many resources.
    #[must_use]
    pub fn new(most_keys: usize, resources: usize) -> Self {
        Self { most_keys, of: BTreeMap::new(), all: vec![Profile::default(); resources] }
    }

    /// Counts requests of a key of which something is known, as of a time in milliseconds; earlier ones count as if they
    /// came with the newest. False when there are too many keys, or no such resource.
    pub fn add(&mut self, key: &str, resource: usize, at_ms: u64, known: Known<'_>, requests: u64) -> bool {
        let Some(all) = self.all.get_mut(resource) else { return false };
        all.add(at_ms, known, requests);
        if !self.of.contains_key(key) {
            if self.of.len() >= self.most_keys {
                return false;
            }
            self.of.insert(key.to_owned(), vec![None; self.all.len()]);
        }
        let Some(slot) = self.of.get_mut(key).and_then(|own| own.get_mut(resource)) else { return false };
        slot.get_or_insert_default().add(at_ms, known, requests);
        true
    }

    /// What is known of a key.
    #[must_use]
    pub fn get(&self, key: &str, resource: usize) -> Option<&Profile> {
        self.of.get(key)?.get(resource)?.as_deref()
    }

    /// What is known of all keys together, by resource.
    #[must_use]
    pub fn all(&self) -> &[Profile] {
        &self.all
    }

    /// Forgets keys of which nothing has come since; gives how many.
    pub fn forget_before(&mut self, at_ms: u64) -> usize {
        let before = self.of.len();
        self.of.retain(|_, own| own.iter().flatten().any(|profile| profile.at_ms >= at_ms));
        before - self.of.len()
    }

    /// How many keys are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn what_came_yesterday_counts_for_half() {
        let mut profiles = Profiles::new(10, 1);
        assert!(profiles.add("a", 0, DAY_MS, Known::AccountType("trial"), 100));
        assert!(profiles.add("a", 0, 2 * DAY_MS, Known::AccountType("paid"), 50));
        assert!(profiles.add("a", 0, DAY_MS, Known::Took(Take::CpuUs, 40), 10), "late is as good as now");
        let profile = profiles.get("a", 0).unwrap();
        assert_eq!(profile.account_types.parts(), [("paid", 0.5), ("trial", 0.5)]);
        assert_eq!((profile.cpu_us.quantile(0.5), profile.cpu_us.count()), (Some(40), 10.0));
        assert_eq!(profile.duration_ms.quantile(0.5), None);
    }

    #[test]
    fn keys_are_bounded_and_forgotten() {
        let mut profiles = Profiles::new(2, 1);
        let known = Known::ClientVersion("curl/8");
        let added = ["a", "b", "c"].map(|key| profiles.add(key, 0, 1000, known, 1));
        assert_eq!((added, profiles.len()), ([true, true, false], 2));
        assert_eq!(profiles.all().len(), 1);
        profiles.add("c", 0, 1000, Known::Took(Take::CpuUs, 9), 3);
        assert_eq!(profiles.all()[0].cpu_us.count(), 3.0, "it is in the sum, though it has no place");
        assert!(!profiles.add("a", 1, 1000, known, 1), "there is no such resource");
        profiles.add("b", 0, 2000, known, 1);
        assert_eq!((profiles.forget_before(1500), profiles.get("a", 0)), (1, None));
        assert!(profiles.add("c", 0, 2000, known, 1));
    }
}
