//! Reading a report's payload: tidegate-core's bytes alone, or with details around them; and the limits of those.
//!
//! The names of keys and resources are in the report's own bytes, so whether an index has one is the reader's to check.

use std::collections::BTreeSet;

use prost::Message;

use crate::{DetailedReport, Details, Load, Part, Spread};

/// What a report's own bytes begin with.
const PLAIN: &[u8] = b"TGR";
const MAX_DETAILS: usize = 4096;
const MAX_LOADS: usize = 256;
const MAX_PARTS: usize = 8;
const MAX_BUCKETS: usize = 64;
const MAX_NAME_BYTES: usize = 64;
const MAX_PERMILLE: u64 = 1_000_000;
/// The bucket of the largest value.
pub const MAX_BUCKET: u32 = 495;
/// Values below this have a bucket each, larger ones so many for each doubling.
const SINGLE: u64 = 8;

/// Why details were refused, and the report with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DetailsError {
    /// The bytes are neither a report nor a report with details.
    #[error("the bytes are no report, with or without details")]
    Malformed,
    /// A list is longer than the protocol allows.
    #[error("{list} has {found} entries, at most {most} are allowed")]
    TooMany {
        /// The field.
        list: &'static str,
        /// Its length.
        found: usize,
        /// Its limit.
        most: usize,
    },
    /// Two entries are about the same thing.
    #[error("{0} names the same thing twice")]
    Twice(&'static str),
    /// A name is empty, too long, or not printable.
    #[error("{0} has a name that is not 1 to {MAX_NAME_BYTES} bytes of printable text")]
    Name(&'static str),
    /// Buckets and counts do not fit each other, or there is no such bucket, or a count is 0.
    #[error("{0} is no spread: as many counts as buckets, buckets up to {MAX_BUCKET}, no count 0")]
    Spread(&'static str),
    /// A load without samples, or beyond what a sample may be.
    #[error("a load has no samples, or more than {MAX_PERMILLE} thousandths a sample")]
    Load,
}

/// Reads the payload of a report's frame, and checks every limit of its details.
///
/// # Errors
/// Says which limit was broken.
pub fn read_report(payload: &[u8]) -> Result<DetailedReport, DetailsError> {
    if payload.starts_with(PLAIN) {
        return Ok(DetailedReport { report: payload.to_vec().into(), ..DetailedReport::default() });
    }
    let message = DetailedReport::decode(payload).map_err(|_| DetailsError::Malformed)?;
    if !message.report.starts_with(PLAIN) {
        return Err(DetailsError::Malformed);
    }
    at_most("details", message.details.len(), MAX_DETAILS)?;
    at_most("loads", message.loads.len(), MAX_LOADS)?;
    let place = |one: &Details| (one.key, one.resource, one.window_start_ms);
    once("details", message.details.iter().map(place))?;
    once("loads", message.loads.iter().map(|load| (load.resource, load.window_start_ms)))?;
    message.details.iter().try_for_each(check_details)?;
    message.loads.iter().try_for_each(check_load)?;
    Ok(message)
}

fn check_details(details: &Details) -> Result<(), DetailsError> {
    for (list, parts) in [
        ("regions", &details.regions),
        ("account_types", &details.account_types),
        ("client_versions", &details.client_versions),
    ] {
        at_most(list, parts.len(), MAX_PARTS)?;
        if !parts.iter().all(is_named) {
            return Err(DetailsError::Name(list));
        }
        once(list, parts.iter().map(|part| part.name.as_str()))?;
    }
    for (field, spread) in [
        ("cpu_us", &details.cpu_us),
        ("memory_bytes", &details.memory_bytes),
        ("network_bytes", &details.network_bytes),
        ("duration_ms", &details.duration_ms),
    ] {
        spread.iter().try_for_each(|spread| check_spread(field, spread))?;
    }
    Ok(())
}

fn is_named(part: &Part) -> bool {
    let is_printable = !part.name.chars().any(char::is_control);
    (1..=MAX_NAME_BYTES).contains(&part.name.len()) && is_printable
}

fn check_spread(field: &'static str, spread: &Spread) -> Result<(), DetailsError> {
    at_most(field, spread.buckets.len(), MAX_BUCKETS)?;
    once(field, spread.buckets.iter())?;
    let fits = spread.buckets.len() == spread.counts.len();
    let known = spread.buckets.iter().all(|bucket| *bucket <= MAX_BUCKET);
    if fits && known && !spread.counts.contains(&0) { Ok(()) } else { Err(DetailsError::Spread(field)) }
}

fn check_load(load: &Load) -> Result<(), DetailsError> {
    let most = u64::from(load.samples) * MAX_PERMILLE;
    if load.samples > 0 && load.permille <= most { Ok(()) } else { Err(DetailsError::Load) }
}

fn at_most(list: &'static str, found: usize, most: usize) -> Result<(), DetailsError> {
    if found > most { Err(DetailsError::TooMany { list, found, most }) } else { Ok(()) }
}

fn once<T: Ord>(list: &'static str, mut names: impl Iterator<Item = T>) -> Result<(), DetailsError> {
    let mut known = BTreeSet::new();
    if names.all(|name| known.insert(name)) { Ok(()) } else { Err(DetailsError::Twice(list)) }
}

/// The bucket of a value in a [`Spread`].
#[must_use]
pub const fn bucket_of(value: u64) -> u32 {
    if value < SINGLE {
        return value as u32;
    }
    let highest = 63 - value.leading_zeros();
    8 * (highest - 2) + ((value >> (highest - 3)) & 7) as u32
}

/// The least and the largest value of a bucket; those of the last one beyond it.
#[must_use]
pub const fn bucket_range(bucket: u32) -> (u64, u64) {
    if (bucket as u64) < SINGLE {
        return (bucket as u64, bucket as u64);
    }
    let bucket = if bucket > MAX_BUCKET { MAX_BUCKET } else { bucket };
    let highest = bucket / 8 + 2;
    let width = 1_u64 << (highest - 3);
    let least = (SINGLE + (bucket % 8) as u64) << (highest - 3);
    (least, least + (width - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str) -> Part {
        Part { name: name.to_owned(), requests: 1, tokens: 2 }
    }

    fn spread(buckets: Vec<u32>, counts: Vec<u64>) -> Option<Spread> {
        Some(Spread { buckets, counts })
    }

    fn of(details: Details) -> DetailedReport {
        DetailedReport { report: b"TGR\x02rest".to_vec().into(), details: vec![details], loads: vec![] }
    }

    fn refusal(message: &DetailedReport) -> String {
        read_report(&message.encode_to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_report_is_one_without_details_and_a_detailed_one_comes_back() {
        let plain = read_report(b"TGR\x02rest").unwrap();
        assert_eq!((&plain.report[..], plain.details.len()), (&b"TGR\x02rest"[..], 0));
        let mut message = of(Details {
            key: 3,
            regions: vec![part("eu-west"), part("us-east")],
            cpu_us: spread(vec![495, 0], vec![1, 7]),
            ..Details::default()
        });
        message.loads.push(Load { resource: 0, window_start_ms: 1000, permille: 1800, samples: 2 });
        assert_eq!(read_report(&message.encode_to_vec()), Ok(message));
    }

    #[test]
    fn what_breaks_a_limit_is_refused_with_its_name() {
        assert_eq!(read_report(b"rest"), Err(DetailsError::Malformed));
        assert_eq!(read_report(&[]), Err(DetailsError::Malformed));
        let regions = |regions: Vec<Part>| refusal(&of(Details { regions, ..Details::default() }));
        assert!(regions((0..9).map(|number| part(&number.to_string())).collect()).contains("regions has 9"));
        assert!(regions(vec![part("")]).contains("regions has a name"));
        assert!(regions(vec![part("a\nb")]).contains("printable"));
        assert!(regions(vec![part(&"a".repeat(65))]).contains("1 to 64 bytes"));
        assert!(regions(vec![part("a"), part("a")]).contains("twice"));
        let cpu =
            |buckets, counts| refusal(&of(Details { cpu_us: spread(buckets, counts), ..Details::default() }));
        for (buckets, counts) in [(vec![496], vec![1]), (vec![1], vec![]), (vec![1], vec![0])] {
            assert!(cpu(buckets, counts).contains("cpu_us is no spread"));
        }
        assert!(cpu(vec![1, 1], vec![1, 1]).contains("twice"));
        assert!(cpu((0..65).collect(), vec![1; 65]).contains("cpu_us has 65"));
        let mut twice = of(Details::default());
        twice.details.push(Details::default());
        assert!(refusal(&twice).contains("details names the same thing twice"));
        for (permille, samples) in [(0, 0), (1_000_001, 1)] {
            let mut message = of(Details::default());
            message.loads.push(Load { permille, samples, ..Load::default() });
            assert!(refusal(&message).contains("load"));
        }
    }

    #[test]
    fn whatever_comes_is_read_within_the_limits_or_refused() {
        let details = Details {
            regions: vec![part("eu-west"), part("us-east")],
            duration_ms: spread(vec![9, 12], vec![1, 7]),
            ..Details::default()
        };
        let bytes = of(details).encode_to_vec();
        let mut read = 0;
        for at in 0..bytes.len() {
            if let Ok(cut) = read_report(&bytes[..at]) {
                assert!(cut.report.starts_with(PLAIN) && cut.details.is_empty(), "cut at {at}");
            }
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                let Ok(message) = read_report(&other) else { continue };
                read += 1;
                let spreads = message.details.iter().flat_map(|one| &one.duration_ms);
                assert!(spreads.into_iter().all(|one| one.buckets.len() == one.counts.len()));
                assert!(message.details.iter().all(|one| one.regions.len() <= MAX_PARTS));
            }
        }
        assert!(read > 0, "some bits do not matter");
    }

    #[test]
    fn every_value_is_in_its_bucket_and_buckets_leave_nothing_out() {
        assert_eq!((bucket_of(7), bucket_of(8), bucket_of(9), bucket_of(16)), (7, 8, 9, 16));
        assert_eq!((bucket_of(u64::MAX), bucket_range(MAX_BUCKET).1), (MAX_BUCKET, u64::MAX));
        let mut next = 0;
        for bucket in 0..=MAX_BUCKET {
            let (least, most) = bucket_range(bucket);
            assert_eq!((bucket_of(least), bucket_of(most), least), (bucket, bucket, next));
            assert!(most - least <= least / 8, "{bucket}");
            next = most.wrapping_add(1);
        }
    }
}
