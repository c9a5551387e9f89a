//! What a report tells beside its counters, on its way to the database and to the profiles of keys.

use std::collections::BTreeMap;

use tidegate_core::report::Report;
use tidegate_learn::{Known, Take};
use tidegate_proto::{DetailedReport, Details, Part, Spread, bucket_range};
use tidegate_store::{RegionTokens, Store, TRAIT_SPAN_MS, Trait, TraitCount, WindowDetails, WindowLoad};

use crate::{app::App, metrics::TakeLabels};

/// What is older than this is not told any more: of ten half-lives a thousandth is left.
const REMEMBERED_MS: u64 = 10 * 86_400_000;

/// What came beside a report's counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) details: Vec<WindowDetails>,
    pub(crate) loads: Vec<WindowLoad>,
}

/// An index that has no name in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("details name a key or a resource that the report does not have")]
pub(crate) struct Nameless;

/// Gives names to what a report tells beside its counters.
pub(crate) fn read(message: &DetailedReport, report: &Report) -> Result<Beside, Nameless> {
    let resource = |index: u32| Some(report.resources.get(usize::try_from(index).ok()?)?.clone());
    let details = |one: &Details| {
        Some(WindowDetails {
            key: report.keys.get(usize::try_from(one.key).ok()?)?.clone(),
            resource: resource(one.resource)?,
            window_start_ms: one.window_start_ms,
            regions: one.regions.iter().map(region).collect(),
            traits: traits(one),
        })
    };
    let load = |one: &tidegate_proto::Load| {
        Some(WindowLoad {
            resource: resource(one.resource)?,
            window_start_ms: one.window_start_ms,
            permille: one.permille,
            samples: one.samples.into(),
        })
    };
    let details: Option<Vec<_>> = message.details.iter().map(details).collect();
    let loads: Option<Vec<_>> = message.loads.iter().map(load).collect();
    Ok(Beside { details: details.ok_or(Nameless)?, loads: loads.ok_or(Nameless)? })
}

fn region(part: &Part) -> RegionTokens {
    RegionTokens { region: part.name.clone(), tokens: part.tokens }
}

fn traits(details: &Details) -> Vec<TraitCount> {
    let named = |of: Trait, parts: &[Part]| {
        let count = |part: &Part| TraitCount { of, name: part.name.clone(), requests: part.requests };
        parts.iter().map(count).collect::<Vec<_>>()
    };
    let spread = |of: Trait, spread: &Option<Spread>| {
        let pairs = spread.iter().flat_map(|spread| spread.buckets.iter().zip(&spread.counts));
        let count =
            |(bucket, count): (&u32, &u64)| TraitCount { of, name: bucket.to_string(), requests: *count };
        pairs.map(count).collect::<Vec<_>>()
    };
    [
        named(Trait::AccountType, &details.account_types),
        named(Trait::ClientVersion, &details.client_versions),
        spread(Trait::CpuUs, &details.cpu_us),
        spread(Trait::MemoryBytes, &details.memory_bytes),
        spread(Trait::NetworkBytes, &details.network_bytes),
        spread(Trait::DurationMs, &details.duration_ms),
    ]
    .concat()
}

/// What a count of the database means to a profile; nothing where it is no bucket.
fn known(count: &TraitCount) -> Option<Known<'_>> {
    let took = |take: Take| Some(Known::Took(take, count.name.parse().ok()?));
    match count.of {
        Trait::AccountType => Some(Known::AccountType(&count.name)),
        Trait::ClientVersion => Some(Known::ClientVersion(&count.name)),
        Trait::CpuUs => took(Take::CpuUs),
        Trait::MemoryBytes => took(Take::MemoryBytes),
        Trait::NetworkBytes => took(Take::NetworkBytes),
        Trait::DurationMs => took(Take::DurationMs),
    }
}

impl App {
    /// Learns what a report that is durable told beside its counters.
    pub(crate) fn note(&self, beside: &Beside, now_ms: u64) {
        if beside.details.is_empty() {
            return;
        }
        let mut profiles = self.profiles();
        let mut left_out = 0;
        for one in &beside.details {
            let Some(resource) = self.resource(&one.resource) else { continue };
            for count in &one.traits {
                let Some(known) = known(count) else { continue };
                left_out += u64::from(!profiles.add(&one.key, resource, now_ms, known, count.requests));
            }
        }
        self.metrics.details(beside.details.len() as u64, left_out, profiles.len());
    }

    /// Learns again what the database knows. To be called before reports come: those would count twice.
    pub(crate) async fn load_profiles(
        &self,
        store: &Store,
        now_ms: u64,
    ) -> Result<(), tidegate_store::Error> {
        let hour_ms = now_ms / TRAIT_SPAN_MS * TRAIT_SPAN_MS;
        let hours = REMEMBERED_MS / TRAIT_SPAN_MS;
        for from_ms in (0..=hours).rev().filter_map(|back| hour_ms.checked_sub(back * TRAIT_SPAN_MS)) {
            let rows = store.traits_of(from_ms).await?;
            let mut profiles = self.profiles();
            for row in &rows {
                let (Some(resource), Some(known)) = (self.resource(&row.resource), known(&row.count)) else {
                    continue;
                };
                let at_ms = (from_ms + TRAIT_SPAN_MS / 2).min(now_ms);
                profiles.add(&row.key, resource, at_ms, known, row.count.requests);
            }
            self.metrics.details(0, 0, profiles.len());
        }
        Ok(())
    }

    /// Tells metrics what requests of all keys take.
    pub(crate) fn show_takes(&self) {
        let profiles = self.profiles();
        let mut takes = Vec::new();
        for (resource, all) in self.config.resources.iter().zip(profiles.all()) {
            for (of, spread) in [
                ("cpu_us", &all.cpu_us),
                ("memory_bytes", &all.memory_bytes),
                ("network_bytes", &all.network_bytes),
                ("duration_ms", &all.duration_ms),
            ] {
                for (quantile, level) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)] {
                    let Some(bucket) = spread.quantile(level) else { continue };
                    takes
                        .push((TakeLabels { resource: resource.name.clone(), of, quantile }, middle(bucket)));
                }
            }
        }
        self.metrics.requests_take(takes);
    }

    /// Forgets keys of which nothing has been told for long.
    pub(crate) fn forget_profiles(&self, now_ms: u64) {
        let mut profiles = self.profiles();
        profiles.forget_before(now_ms.saturating_sub(REMEMBERED_MS));
        self.metrics.details(0, 0, profiles.len());
    }

    /// The place of a resource in the configuration.
    pub(crate) fn resource(&self, name: &str) -> Option<usize> {
        self.config.resources.iter().position(|resource| resource.name == name)
    }
}

/// The middle of a bucket, so that no value is told more wrongly than by a sixteenth.
pub(crate) fn middle(bucket: u16) -> u64 {
    let (least, most) = bucket_range(bucket.into());
    least + (most - least) / 2
}

/// Demand by key, resource and region, from what was asked for in all: what regions told of in tokens asked for, made parts
/// of the demand, since that is corrected by what requests really cost.
pub(crate) fn parts_of_demand<'a>(
    regions: &'a [tidegate_store::RegionUsage],
    whole: impl Iterator<Item = (&'a str, &'a str, u64, u64)>,
) -> impl Iterator<Item = (&'a tidegate_store::RegionUsage, f64)> {
    let whole: BTreeMap<(&str, &str), (u64, u64)> =
        whole.map(|(key, resource, offered, demand)| ((key, resource), (offered, demand))).collect();
    let mut told: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for one in regions {
        *told.entry((&one.key, &one.resource)).or_default() += one.tokens.tokens;
    }
    regions.iter().filter_map(move |one| {
        let place = (one.key.as_str(), one.resource.as_str());
        let (offered, demand) = *whole.get(&place)?;
        let most = offered.max(*told.get(&place)?);
        (most > 0).then(|| (one, demand as f64 * one.tokens.tokens as f64 / most as f64))
    })
}

#[cfg(test)]
mod tests {
    use tidegate_store::RegionUsage;

    use super::*;

    #[test]
    fn parts_add_up_to_what_is_known_of_the_demand() {
        let usage = |region: &str, tokens| RegionUsage {
            key: "a".into(),
            resource: "requests".into(),
            tokens: RegionTokens { region: region.into(), tokens },
        };
        let regions = [usage("eu", 30), usage("us", 10)];
        let parts = |offered, demand| -> Vec<f64> {
            let whole = [("a", "requests", offered, demand)];
            parts_of_demand(&regions, whole.into_iter()).map(|(_, part)| part).collect()
        };
        assert_eq!(parts(40, 80), [60.0, 20.0]);
        assert_eq!(parts(80, 80), [30.0, 10.0], "half is of regions that nobody told");
        assert_eq!(parts(20, 20), [15.0, 5.0], "what is told in excess is not more than all");
        assert!(parts_of_demand(&regions, std::iter::empty()).next().is_none());
    }

    #[test]
    fn an_index_without_a_name_is_refused() {
        let report =
            Report { keys: vec!["a".into()], resources: vec!["requests".into()], ..Report::default() };
        let mut message = DetailedReport { details: vec![Details::default()], ..DetailedReport::default() };
        assert_eq!(read(&message, &report).unwrap().details[0].key, "a");
        message.details[0].key = 1;
        assert_eq!(read(&message, &report), Err(Nameless));
        message.details.clear();
        message.loads.push(tidegate_proto::Load { resource: 1, samples: 1, ..Default::default() });
        assert_eq!(read(&message, &report), Err(Nameless));
    }
}
