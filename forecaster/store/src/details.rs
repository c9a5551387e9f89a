//! What reports tell beside counters: where requests came from, of which kind they were, how busy everything was.
//!
//! Regions are kept by window, since demand is learned by region. Everything else is kept by the hour: it is learned as
//! a distribution, of which nobody asks at what second it came.

use std::collections::BTreeMap;

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use crate::{
    Error, Store,
    record::{MAX_COUNT, ROWS_PER_INSERT},
    store::{from_db, to_db},
};

/// What traits are summed over, in milliseconds.
pub const TRAIT_SPAN_MS: u64 = 3_600_000;

/// What a distribution is of. The numbers are those in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trait {
    /// The customer's kind of account.
    AccountType = 1,
    /// The client's version.
    ClientVersion = 2,
    /// CPU time of a request at the upstream, in microseconds.
    CpuUs = 3,
    /// Memory of a request at the upstream.
    MemoryBytes = 4,
    /// Bytes of request and response.
    NetworkBytes = 5,
    /// How long a request took.
    DurationMs = 6,
}

impl Trait {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AccountType,
        Self::ClientVersion,
        Self::CpuUs,
        Self::MemoryBytes,
        Self::NetworkBytes,
        Self::DurationMs,
    ];

    fn from_db(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|one| *one as i64 == number)
    }
}

/// Requests of one key that have something in common, in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraitCount {
    /// What they have in common.
    pub of: Trait,
    /// Its name, or the number of its bucket.
    pub name: String,
    /// How many.
    pub requests: u64,
}

/// Tokens that requests from one region asked for, in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionTokens {
    /// The region.
    pub region: String,
    /// Tokens asked for.
    pub tokens: u64,
}

/// What is known of one key on one resource in one window, beside its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowDetails {
    /// The throttling key.
    pub key: String,
    /// Name of the resource.
    pub resource: String,
    /// When the window began, in milliseconds since the Unix epoch.
    pub window_start_ms: u64,
    /// Increments by region.
    pub regions: Vec<RegionTokens>,
    /// Increments by trait.
    pub traits: Vec<TraitCount>,
}

/// How busy what a resource stands for was in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowLoad {
    /// Name of the resource.
    pub resource: String,
    /// When the window began, in milliseconds since the Unix epoch.
    pub window_start_ms: u64,
    /// Sum of the samples, in thousandths of what there is.
    pub permille: u64,
    /// How many samples.
    pub samples: u64,
}

/// Tokens that requests of one key from one region asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionUsage {
    /// The throttling key.
    pub key: String,
    /// Name of the resource.
    pub resource: String,
    /// The region, and the tokens.
    pub tokens: RegionTokens,
}

/// Requests of one key that have something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraitUsage {
    /// The throttling key.
    pub key: String,
    /// Name of the resource.
    pub resource: String,
    /// What, and how many.
    pub count: TraitCount,
}

/// Sums of what several reports tell of one place, ready to be added to the database.
#[derive(Default)]
pub(crate) struct DetailSums<'a> {
    regions: BTreeMap<(u64, &'a str, &'a str, &'a str), u64>,
    traits: BTreeMap<(u64, &'a str, &'a str, Trait, &'a str), u64>,
    loads: BTreeMap<(u64, &'a str), (u64, u64)>,
}

impl<'a> DetailSums<'a> {
    pub(crate) fn add(&mut self, details: &'a [WindowDetails], loads: &'a [WindowLoad]) {
        for one in details {
            let (key, resource) = (one.key.as_str(), one.resource.as_str());
            for part in &one.regions {
                let sum = self.regions.entry((one.window_start_ms, key, resource, &part.region)).or_default();
                *sum = sum.saturating_add(part.tokens.min(MAX_COUNT));
            }
            let from_ms = one.window_start_ms / TRAIT_SPAN_MS * TRAIT_SPAN_MS;
            for count in &one.traits {
                let sum = self.traits.entry((from_ms, key, resource, count.of, &count.name)).or_default();
                *sum = sum.saturating_add(count.requests.min(MAX_COUNT));
            }
        }
        for load in loads {
            let (permille, samples) =
                self.loads.entry((load.window_start_ms, load.resource.as_str())).or_default();
            *permille = permille.saturating_add(load.permille.min(MAX_COUNT));
            *samples = samples.saturating_add(load.samples.min(MAX_COUNT));
        }
    }

    pub(crate) async fn upsert(self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let regions: Vec<_> = self.regions.into_iter().collect();
        for chunk in regions.chunks(ROWS_PER_INSERT) {
            let head = "INSERT INTO usage_by_region (window_start_ms, key, resource, region, tokens) ";
            let mut query = QueryBuilder::<Sqlite>::new(head);
            query.push_values(chunk, |mut row, ((window_start_ms, key, resource, region), tokens)| {
                row.push_bind(to_db(*window_start_ms)).push_bind((*key).to_owned());
                row.push_bind((*resource).to_owned()).push_bind((*region).to_owned());
                row.push_bind(to_db(*tokens));
            });
            query.push(
                " ON CONFLICT (window_start_ms, key, resource, region) DO UPDATE SET \
                 tokens = usage_by_region.tokens + excluded.tokens",
            );
            query.build().execute(&mut *connection).await?;
        }
        let traits: Vec<_> = self.traits.into_iter().collect();
        for chunk in traits.chunks(ROWS_PER_INSERT) {
            let head = "INSERT INTO traits (from_ms, key, resource, of, name, requests) ";
            let mut query = QueryBuilder::<Sqlite>::new(head);
            query.push_values(chunk, |mut row, ((from_ms, key, resource, of, name), requests)| {
                row.push_bind(to_db(*from_ms)).push_bind((*key).to_owned());
                row.push_bind((*resource).to_owned()).push_bind(*of as i64);
                row.push_bind((*name).to_owned()).push_bind(to_db(*requests));
            });
            query.push(
                " ON CONFLICT (from_ms, key, resource, of, name) DO UPDATE SET \
                 requests = traits.requests + excluded.requests",
            );
            query.build().execute(&mut *connection).await?;
        }
        let loads: Vec<_> = self.loads.into_iter().collect();
        for chunk in loads.chunks(ROWS_PER_INSERT) {
            let head = "INSERT INTO loads (window_start_ms, resource, permille, samples) ";
            let mut query = QueryBuilder::<Sqlite>::new(head);
            query.push_values(chunk, |mut row, ((window_start_ms, resource), (permille, samples))| {
                row.push_bind(to_db(*window_start_ms)).push_bind((*resource).to_owned());
                row.push_bind(to_db(*permille)).push_bind(to_db(*samples));
            });
            query.push(
                " ON CONFLICT (window_start_ms, resource) DO UPDATE SET \
                 permille = loads.permille + excluded.permille, samples = loads.samples + excluded.samples",
            );
            query.build().execute(&mut *connection).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Sums what was asked for by key, resource and region over the windows that begin in `from_ms..to_ms`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn regions_between(&self, from_ms: u64, to_ms: u64) -> Result<Vec<RegionUsage>, Error> {
        let rows = sqlx::query(
            "SELECT key, resource, region, CAST(SUM(tokens) AS BIGINT) AS tokens FROM usage_by_region \
             WHERE window_start_ms >= $1 AND window_start_ms < $2 \
             GROUP BY key, resource, region ORDER BY key, resource, region",
        )
        .bind(to_db(from_ms))
        .bind(to_db(to_ms))
        .fetch_all(&self.readers)
        .await?;
        let usage = |row: &sqlx::sqlite::SqliteRow| {
            let tokens =
                RegionTokens { region: row.try_get("region")?, tokens: from_db(row.try_get("tokens")?) };
            Ok(RegionUsage { key: row.try_get("key")?, resource: row.try_get("resource")?, tokens })
        };
        rows.iter().map(usage).collect()
    }

    /// Traits of the hour that begins at `from_ms`, a multiple of [`TRAIT_SPAN_MS`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn traits_of(&self, from_ms: u64) -> Result<Vec<TraitUsage>, Error> {
        let rows = sqlx::query(
            "SELECT key, resource, of, name, requests FROM traits WHERE from_ms = $1 \
             ORDER BY key, resource, of, name",
        )
        .bind(to_db(from_ms))
        .fetch_all(&self.readers)
        .await?;
        let usage = |row: &sqlx::sqlite::SqliteRow| -> Result<Option<TraitUsage>, Error> {
            let Some(of) = Trait::from_db(row.try_get("of")?) else { return Ok(None) };
            let count =
                TraitCount { of, name: row.try_get("name")?, requests: from_db(row.try_get("requests")?) };
            Ok(Some(TraitUsage { key: row.try_get("key")?, resource: row.try_get("resource")?, count }))
        };
        rows.iter().filter_map(|row| usage(row).transpose()).collect()
    }

    /// How busy each resource was over the windows that begin in `from_ms..to_ms`, by name: 1 is all there is. Resources
    /// of which nobody told are absent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn loads_between(&self, from_ms: u64, to_ms: u64) -> Result<BTreeMap<String, f64>, Error> {
        let rows = sqlx::query(
            "SELECT resource, CAST(SUM(permille) AS BIGINT) AS permille, CAST(SUM(samples) AS BIGINT) AS samples \
             FROM loads WHERE window_start_ms >= $1 AND window_start_ms < $2 GROUP BY resource",
        )
        .bind(to_db(from_ms))
        .bind(to_db(to_ms))
        .fetch_all(&self.readers)
        .await?;
        let load = |row: &sqlx::sqlite::SqliteRow| {
            let (permille, samples) = (from_db(row.try_get("permille")?), from_db(row.try_get("samples")?));
            Ok((row.try_get("resource")?, permille as f64 / 1e3 / samples.max(1) as f64))
        };
        rows.iter().map(load).collect()
    }
}
