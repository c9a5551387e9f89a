//! Recording reports: each exactly once, however often it is sent.

use std::collections::BTreeMap;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::{
    Counters, Error, Store, WindowDetails, WindowLoad, WindowUsage, WindowWish, details::DetailSums,
    store::to_db, wishes::WishSums,
};

/// Rows of one insert: far below the database's limit of bound values, enough to make the round trip cheap.
pub(crate) const ROWS_PER_INSERT: usize = 200;
/// No single count is larger: the core's amounts end at 2⁴³ tokens, and sums of clamped counts cannot overflow.
pub(crate) const MAX_COUNT: u64 = 1 << 43;

/// A report as a proxy sent it.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// The proxy's name.
    pub proxy: String,
    /// Differs at every start of the worker that wrote it.
    pub boot: u64,
    /// Counts the reports of one boot, from 1.
    pub seq: u64,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub received_at_ms: u64,
    /// The increments.
    pub windows: Vec<WindowUsage>,
    /// What is known beside them; increments too.
    pub details: Vec<WindowDetails>,
    /// How busy everything was.
    pub loads: Vec<WindowLoad>,
    /// What more capacity would have served; increments too.
    pub wishes: Vec<WindowWish>,
}

/// What became of a report. Either way it is durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It was new and has been added.
    Added,
    /// It had been added before; nothing has changed.
    Duplicate,
}

type Row<'a> = ((u64, &'a str, &'a str), Counters);

impl Store {
    /// Records reports in one transaction, in order; returns one verdict for each. Once it returns, they are durable.
    ///
    /// Reports of the same proxy and boot may come in any order; one whose number is known already changes nothing.
    ///
    /// # Errors
    /// When the database fails: none of the reports has been recorded then.
    pub async fn record(&self, reports: &[NewReport]) -> Result<Vec<Recorded>, Error> {
        let mut transaction = self.writer.begin().await?;
        let mut verdicts = Vec::with_capacity(reports.len());
        let mut sums: BTreeMap<(u64, &str, &str), Counters> = BTreeMap::new();
        let mut details = DetailSums::default();
        let mut wishes = WishSums::default();
        for report in reports {
            let added = remember(&mut transaction, report).await?;
            verdicts.push(if added { Recorded::Added } else { Recorded::Duplicate });
            if !added {
                continue;
            }
            for window in &report.windows {
                let id = (window.window_start_ms, window.key.as_str(), window.resource.as_str());
                sums.entry(id).or_default().add(&clamped(&window.counters));
            }
            details.add(&report.details, &report.loads);
            wishes.add(&report.wishes);
        }
        let rows: Vec<Row<'_>> = sums.into_iter().collect();
        for chunk in rows.chunks(ROWS_PER_INSERT) {
            upsert(&mut transaction, chunk).await?;
        }
        details.upsert(&mut transaction).await?;
        wishes.upsert(&mut transaction).await?;
        transaction.commit().await?;
        Ok(verdicts)
    }
}

/// Remembers the report's number; false when it was known already.
async fn remember(connection: &mut SqliteConnection, report: &NewReport) -> Result<bool, Error> {
    let result = sqlx::query(
        "INSERT INTO reports (proxy, boot, seq, received_at_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (proxy, boot, seq) DO NOTHING",
    )
    .bind(report.proxy.as_str())
    .bind(report.boot.cast_signed())
    .bind(to_db(report.seq))
    .bind(to_db(report.received_at_ms))
    .execute(connection)
    .await?;
    Ok(result.rows_affected() > 0)
}

async fn upsert(connection: &mut SqliteConnection, rows: &[Row<'_>]) -> Result<(), Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO usage (window_start_ms, key, resource, requests_offered, requests_admitted, offered, \
         guaranteed, opportunistic, emergency, beyond, delayed, delay_ms, settled, settled_estimate, largest) ",
    );
    query.push_values(rows, |mut row, ((window_start_ms, key, resource), counters)| {
        row.push_bind(to_db(*window_start_ms)).push_bind((*key).to_owned()).push_bind((*resource).to_owned());
        for count in [
            counters.requests_offered,
            counters.requests_admitted,
            counters.offered,
            counters.guaranteed,
            counters.opportunistic,
            counters.emergency,
            counters.beyond,
            counters.delayed,
            counters.delay_ms,
            counters.settled,
            counters.settled_estimate,
            counters.largest,
        ] {
            row.push_bind(to_db(count));
        }
    });
    query.push(
        " ON CONFLICT (window_start_ms, key, resource) DO UPDATE SET \
         requests_offered = usage.requests_offered + excluded.requests_offered, \
         requests_admitted = usage.requests_admitted + excluded.requests_admitted, \
         offered = usage.offered + excluded.offered, \
         guaranteed = usage.guaranteed + excluded.guaranteed, \
         opportunistic = usage.opportunistic + excluded.opportunistic, \
         emergency = usage.emergency + excluded.emergency, \
         beyond = usage.beyond + excluded.beyond, \
         delayed = usage.delayed + excluded.delayed, \
         delay_ms = usage.delay_ms + excluded.delay_ms, \
         settled = usage.settled + excluded.settled, \
         settled_estimate = usage.settled_estimate + excluded.settled_estimate, \
         largest = CASE WHEN excluded.largest > usage.largest THEN excluded.largest ELSE usage.largest END",
    );
    query.build().execute(connection).await?;
    Ok(())
}

fn clamped(counters: &Counters) -> Counters {
    Counters {
        requests_offered: counters.requests_offered.min(MAX_COUNT),
        requests_admitted: counters.requests_admitted.min(MAX_COUNT),
        offered: counters.offered.min(MAX_COUNT),
        guaranteed: counters.guaranteed.min(MAX_COUNT),
        opportunistic: counters.opportunistic.min(MAX_COUNT),
        emergency: counters.emergency.min(MAX_COUNT),
        beyond: counters.beyond.min(MAX_COUNT),
        delayed: counters.delayed.min(MAX_COUNT),
        delay_ms: counters.delay_ms.min(MAX_COUNT),
        settled: counters.settled.min(MAX_COUNT),
        settled_estimate: counters.settled_estimate.min(MAX_COUNT),
        largest: counters.largest.min(MAX_COUNT),
    }
}
