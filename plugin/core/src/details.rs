//! What reports tell beside their counters: where requests come from, whose they are, and what they took.
//!
//! Everything is bounded: keys and windows by [`MAX_ENTRIES`], names by [`MAX_NAMES`] and [`MAX_NAME_BYTES`], values by their
//! buckets. Nothing of it takes part in a decision.

mod spread;

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

pub use spread::{Spread, bucket_of};

use crate::{
    allocator::Demand,
    attributes::Attributes,
    rules::{KeyPart, number},
    units::Timestamp,
};

/// Most keys, resources and windows that are kept between two reports; as many as the sync protocol takes.
pub const MAX_ENTRIES: usize = 4_096;
/// Most names of one kind for a key, [`OTHER`] among them.
pub const MAX_NAMES: usize = 8;
/// Longest name; a longer one counts as [`OTHER`].
pub const MAX_NAME_BYTES: usize = 64;
/// What does not fit.
pub const OTHER: &str = "other";

/// Which details are kept, and where they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetailRules {
    /// Where a request comes from.
    pub region: Option<KeyPart>,
    /// The customer's kind of account.
    pub account_type: Option<KeyPart>,
    /// The version of the client.
    pub client_version: Option<KeyPart>,
    /// The response header with the CPU time in microseconds.
    pub cpu_us: Option<String>,
    /// The response header with the memory in bytes.
    pub memory_bytes: Option<String>,
    /// Whether the bytes of bodies are counted, as `content-length` says.
    pub network_bytes: bool,
    /// Whether it is counted how long requests take.
    pub duration_ms: bool,
}

impl DetailRules {
    const fn reads_responses(&self) -> bool {
        self.cpu_us.is_some() || self.memory_bytes.is_some() || self.network_bytes
    }
}

/// Some of the requests that asked, by a name that they have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name.
    pub name: String,
    /// Requests that asked.
    pub requests: u64,
    /// Tokens that those asked for.
    pub tokens: u64,
}

/// Details of one key on one resource in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// By region.
    pub regions: Vec<Part>,
    /// By kind of account.
    pub account_types: Vec<Part>,
    /// By version of the client.
    pub client_versions: Vec<Part>,
    /// CPU time of requests, in microseconds.
    pub cpu_us: Spread,
    /// Memory of requests, in bytes.
    pub memory_bytes: Spread,
    /// Bytes of requests and responses.
    pub network_bytes: Spread,
    /// How long requests took, in milliseconds.
    pub duration_ms: Spread,
}

/// Whose details, of which resource (by its index), and in which window (when it began, in ms).
pub type Place = (Box<[u8]>, u8, u64);

/// A request that was admitted and whose response will tell more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    key: Box<[u8]>,
    resources: Vec<u8>,
    admitted_at: Timestamp,
    /// Bytes of the request's body.
    sent_bytes: Option<u64>,
    cpu_us: Option<u64>,
    memory_bytes: Option<u64>,
    received_bytes: Option<u64>,
}

impl Trace {
    /// It waited, and has been admitted only now.
    pub const fn admitted(&mut self, now: Timestamp) {
        self.admitted_at = now;
    }

    /// Reads what a response's headers tell.
    pub fn read<A: Attributes + ?Sized>(&mut self, rules: &DetailRules, response: &A) {
        if !rules.reads_responses() {
            return;
        }
        let value = |header: &Option<String>| number(response.header(header.as_deref()?)?);
        self.cpu_us = value(&rules.cpu_us);
        self.memory_bytes = value(&rules.memory_bytes);
        if rules.network_bytes {
            self.received_bytes = response.header("content-length").and_then(number);
        }
    }
}

/// Details since the last report.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    entries: BTreeMap<Place, Entry>,
    left_out: u64,
}

impl Collector {
    /// Counts a request that asks for `demands` in a window. Returns its trace where its response matters.
    pub fn ask<A: Attributes + ?Sized>(
        &mut self,
        rules: &DetailRules,
        (key, demands, window_start_ms): (&[u8], &[Demand], u64),
        request: &A,
        now: Timestamp,
    ) -> Option<Trace> {
        let name = |part: &Option<KeyPart>| named(&part.as_ref()?.value(request)?);
        let names = [name(&rules.region), name(&rules.account_type), name(&rules.client_version)];
        if names.iter().any(Option::is_some) {
            for demand in demands {
                let Some(entry) = self.entry(key, demand.resource, window_start_ms) else { continue };
                let lists = [&mut entry.regions, &mut entry.account_types, &mut entry.client_versions];
                for (list, name) in lists.into_iter().zip(&names) {
                    if let Some(name) = name {
                        count(list, name, demand.cost);
                    }
                }
            }
        }
        (rules.reads_responses() || rules.duration_ms).then(|| Trace {
            key: key.into(),
            resources: demands.iter().map(|demand| demand.resource).collect(),
            admitted_at: now,
            sent_bytes: request.header("content-length").filter(|_| rules.network_bytes).and_then(number),
            cpu_us: None,
            memory_bytes: None,
            received_bytes: None,
        })
    }

    /// Counts what a request took whose response has ended, in the window of its end.
    pub fn close(&mut self, rules: &DetailRules, trace: &Trace, window_start_ms: u64, now: Timestamp) {
        let network = trace.sent_bytes.into_iter().chain(trace.received_bytes).reduce(u64::saturating_add);
        for resource in &trace.resources {
            let Some(entry) = self.entry(&trace.key, *resource, window_start_ms) else { continue };
            for (spread, value) in [
                (&mut entry.cpu_us, trace.cpu_us),
                (&mut entry.memory_bytes, trace.memory_bytes),
                (&mut entry.network_bytes, network),
                (&mut entry.duration_ms, rules.duration_ms.then(|| now.since(trace.admitted_at) / 1_000_000)),
            ] {
                if let Some(value) = value {
                    spread.count(value);
                }
            }
        }
    }

    /// Takes what has been counted.
    pub fn take(&mut self) -> BTreeMap<Place, Entry> {
        core::mem::take(&mut self.entries)
    }

    /// Requests whose details found no room, since the start.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    fn entry(&mut self, key: &[u8], resource: u8, window_start_ms: u64) -> Option<&mut Entry> {
        let place = (Box::from(key), resource, window_start_ms);
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&place) {
            self.left_out += 1;
            return None;
        }
        Some(self.entries.entry(place).or_default())
    }
}

/// A name that may be told; [`OTHER`] for what is no text, too long or not printable. Nothing has no name.
fn named(value: &[u8]) -> Option<String> {
    let is_fit = |text: &&str| text.len() <= MAX_NAME_BYTES && !text.chars().any(char::is_control);
    let text = core::str::from_utf8(value).ok().map(str::trim).filter(is_fit).unwrap_or(OTHER);
    (!text.is_empty()).then(|| text.to_owned())
}

fn count(list: &mut Vec<Part>, name: &str, tokens: u64) {
    let known = list.iter().position(|part| part.name == name);
    let place = known.or_else(|| {
        let name = if list.len() + 1 < MAX_NAMES { name } else { OTHER };
        list.iter().position(|part| part.name == name).or_else(|| {
            list.push(Part { name: name.to_string(), requests: 0, tokens: 0 });
            list.len().checked_sub(1)
        })
    });
    if let Some(part) = place.and_then(|place| list.get_mut(place)) {
        part.requests = part.requests.saturating_add(1);
        part.tokens = part.tokens.saturating_add(tokens);
    }
}

#[cfg(test)]
mod tests;
