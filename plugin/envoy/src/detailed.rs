//! Reports with what is known beside their counters, as `forecaster/proto/proto/sync.proto` defines them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost::Message;
use tidegate_core::{
    details::{Entry, Part as Named, Place, Spread as Counted},
    report::Report,
};

/// A report and its details.
#[derive(Clone, PartialEq, Message)]
struct DetailedReport {
    #[prost(bytes = "vec", tag = "1")]
    report: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    details: Vec<Details>,
}

#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(uint32, tag = "1")]
    key: u32,
    #[prost(uint32, tag = "2")]
    resource: u32,
    #[prost(uint64, tag = "3")]
    window_start_ms: u64,
    #[prost(message, repeated, tag = "4")]
    regions: Vec<Part>,
    #[prost(message, repeated, tag = "5")]
    account_types: Vec<Part>,
    #[prost(message, repeated, tag = "6")]
    client_versions: Vec<Part>,
    #[prost(message, optional, tag = "7")]
    cpu_us: Option<Spread>,
    #[prost(message, optional, tag = "8")]
    memory_bytes: Option<Spread>,
    #[prost(message, optional, tag = "9")]
    network_bytes: Option<Spread>,
    #[prost(message, optional, tag = "10")]
    duration_ms: Option<Spread>,
}

#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint64, tag = "2")]
    requests: u64,
    #[prost(uint64, tag = "3")]
    tokens: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Spread {
    #[prost(uint32, repeated, tag = "1")]
    buckets: Vec<u32>,
    #[prost(uint64, repeated, tag = "2")]
    counts: Vec<u64>,
}

/// Most bytes of details in a report: messages of gRPC are bounded.
const MAX_BYTES: usize = 1 << 20;

/// The bytes of a report: alone where there are no details, so that any forecaster reads it. And how many keys' details were left out
/// for want of room.
pub(crate) fn encode(mut report: Report, entries: BTreeMap<Place, Entry>) -> (Vec<u8>, u64) {
    if entries.is_empty() {
        return (report.encode(), 0);
    }
    let (mut bytes, mut left_out, mut told) = (0, 0, BTreeSet::new());
    let keys = report.keys.iter().zip(0..);
    let mut known: HashMap<String, u32> = keys.map(|(key, index)| (key.clone(), index)).collect();
    let mut details = Vec::with_capacity(entries.len());
    for ((key, resource, window_start_ms), entry) in entries {
        let name = String::from_utf8_lossy(&key).into_owned();
        // A response may end in a window in which its key has asked for nothing.
        let key = *known.entry(name).or_insert_with_key(|name| {
            report.keys.push(name.clone());
            report.keys.len() as u32 - 1
        });
        let one = Details {
            key,
            resource: u32::from(resource),
            window_start_ms,
            regions: parts(entry.regions),
            account_types: parts(entry.account_types),
            client_versions: parts(entry.client_versions),
            cpu_us: spread(&entry.cpu_us),
            memory_bytes: spread(&entry.memory_bytes),
            network_bytes: spread(&entry.network_bytes),
            duration_ms: spread(&entry.duration_ms),
        };
        bytes += one.encoded_len();
        // Keys that are no text may look alike as text: the first of them is told.
        if bytes <= MAX_BYTES && told.insert((key, resource, window_start_ms)) {
            details.push(one);
        } else {
            left_out += 1;
        }
    }
    (DetailedReport { report: report.encode(), details }.encode_to_vec(), left_out)
}

fn parts(parts: Vec<Named>) -> Vec<Part> {
    let part = |Named { name, requests, tokens }| Part { name, requests, tokens };
    parts.into_iter().map(part).collect()
}

fn spread(counted: &Counted) -> Option<Spread> {
    let (buckets, counts): (Vec<u32>, Vec<u64>) = counted.counts().iter().copied().unzip();
    (!buckets.is_empty()).then_some(Spread { buckets, counts })
}
