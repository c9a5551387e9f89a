//! Usage as the database keeps it, and the questions one can ask about it.

use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use crate::{
    Error, Store,
    store::{from_db, to_db},
};

/// What happened to one key on one resource in some span of time. Tokens are of the resource's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that asked.
    pub requests_offered: u64,
    /// Requests that were admitted.
    pub requests_admitted: u64,
    /// Tokens asked for.
    pub offered: u64,
    /// Tokens admitted from a reservation.
    pub guaranteed: u64,
    /// Tokens admitted from the pool.
    pub opportunistic: u64,
    /// Tokens admitted from the emergency pool.
    pub emergency: u64,
    /// Tokens asked for beyond the key's forecast.
    pub beyond: u64,
    /// Requests admitted after waiting.
    pub delayed: u64,
    /// How long those waited in all, in milliseconds.
    pub delay_ms: u64,
    /// Actual cost of what was admitted, as far as known.
    pub settled: u64,
    /// The estimates that `settled` replaces.
    pub settled_estimate: u64,
    /// Largest single cost asked for.
    pub largest: u64,
}

impl Counters {
    /// Adds the increments of `other`; `largest` is a maximum.
    pub fn add(&mut self, other: &Self) {
        self.requests_offered = self.requests_offered.saturating_add(other.requests_offered);
        self.requests_admitted = self.requests_admitted.saturating_add(other.requests_admitted);
        self.offered = self.offered.saturating_add(other.offered);
        self.guaranteed = self.guaranteed.saturating_add(other.guaranteed);
        self.opportunistic = self.opportunistic.saturating_add(other.opportunistic);
        self.emergency = self.emergency.saturating_add(other.emergency);
        self.beyond = self.beyond.saturating_add(other.beyond);
        self.delayed = self.delayed.saturating_add(other.delayed);
        self.delay_ms = self.delay_ms.saturating_add(other.delay_ms);
        self.settled = self.settled.saturating_add(other.settled);
        self.settled_estimate = self.settled_estimate.saturating_add(other.settled_estimate);
        self.largest = self.largest.max(other.largest);
    }
}

/// Increments of one key on one resource in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUsage {
    /// The throttling key.
    pub key: String,
    /// Name of the resource.
    pub resource: String,
    /// When the window began, in milliseconds since the Unix epoch.
    pub window_start_ms: u64,
    /// The increments.
    pub counters: Counters,
}

/// Sums of one key on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesUsage {
    /// The throttling key.
    pub key: String,
    /// Name of the resource.
    pub resource: String,
    /// The sums.
    pub counters: Counters,
}

/// Sums of one key on one resource, with how many windows they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The sums.
    pub usage: SeriesUsage,
    /// Windows that had any usage.
    pub windows: u64,
}

/// Which windows to sum; what is `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub struct TotalsQuery {
    /// Only this throttling key.
    pub key: Option<String>,
    /// Only this resource.
    pub resource: Option<String>,
    /// Only windows that begin at or after this, in milliseconds since the Unix epoch.
    pub from_ms: Option<u64>,
    /// Only windows that begin before this, in milliseconds since the Unix epoch.
    pub to_ms: Option<u64>,
    /// At most this many rows, first by key and resource.
    pub limit: u32,
}

const SUMS: &str = "CAST(SUM(requests_offered) AS BIGINT) AS requests_offered, \
     CAST(SUM(requests_admitted) AS BIGINT) AS requests_admitted, \
     CAST(SUM(offered) AS BIGINT) AS offered, \
     CAST(SUM(guaranteed) AS BIGINT) AS guaranteed, \
     CAST(SUM(opportunistic) AS BIGINT) AS opportunistic, \
     CAST(SUM(emergency) AS BIGINT) AS emergency, \
     CAST(SUM(beyond) AS BIGINT) AS beyond, \
     CAST(SUM(delayed) AS BIGINT) AS delayed, \
     CAST(SUM(delay_ms) AS BIGINT) AS delay_ms, \
     CAST(SUM(settled) AS BIGINT) AS settled, \
     CAST(SUM(settled_estimate) AS BIGINT) AS settled_estimate, \
     MAX(largest) AS largest";

impl Store {
    /// Sums every series over the windows that begin in `from_ms..to_ms`. Series without usage are absent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn usage_between(&self, from_ms: u64, to_ms: u64) -> Result<Vec<SeriesUsage>, Error> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT key, resource, ");
        query.push(SUMS).push(" FROM usage WHERE window_start_ms >= ").push_bind(to_db(from_ms));
        query.push(" AND window_start_ms < ").push_bind(to_db(to_ms)).push(" GROUP BY key, resource");
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(series_usage).collect()
    }

    /// Sums usage by key and resource.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn totals(&self, wanted: &TotalsQuery) -> Result<Vec<Totals>, Error> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT key, resource, COUNT(*) AS windows, ");
        query.push(SUMS).push(" FROM usage WHERE window_start_ms >= ");
        query.push_bind(to_db(wanted.from_ms.unwrap_or(0)));
        if let Some(to_ms) = wanted.to_ms {
            query.push(" AND window_start_ms < ").push_bind(to_db(to_ms));
        }
        if let Some(key) = &wanted.key {
            query.push(" AND key = ").push_bind(key.clone());
        }
        if let Some(resource) = &wanted.resource {
            query.push(" AND resource = ").push_bind(resource.clone());
        }
        query
            .push(" GROUP BY key, resource ORDER BY key, resource LIMIT ")
            .push_bind(i64::from(wanted.limit));
        let rows = query.build().fetch_all(&self.readers).await?;
        let totals =
            |row| Ok(Totals { usage: series_usage(row)?, windows: from_db(row.try_get("windows")?) });
        rows.iter().map(totals).collect()
    }

    /// The windows of one key that begin at or after `from_ms`, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn windows(&self, key: &str, from_ms: u64, limit: u32) -> Result<Vec<WindowUsage>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM usage WHERE window_start_ms >= $1 AND key = $2 \
             ORDER BY window_start_ms DESC, resource LIMIT $3",
        )
        .bind(to_db(from_ms))
        .bind(key)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let window = |row: &SqliteRow| {
            let SeriesUsage { key, resource, counters } = series_usage(row)?;
            let window_start_ms = from_db(row.try_get("window_start_ms")?);
            Ok(WindowUsage { key, resource, window_start_ms, counters })
        };
        rows.iter().map(window).collect()
    }

    /// Deletes everything that is older than `before_ms`; returns how many usage windows that were.
    ///
    /// # Errors
    /// When the database does not answer; nothing has been deleted then.
    pub async fn delete_before(&self, before_ms: u64) -> Result<u64, Error> {
        let before = to_db(before_ms);
        let mut transaction = self.writer.begin().await?;
        let windows = sqlx::query("DELETE FROM usage WHERE window_start_ms < $1")
            .bind(before)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        for statement in [
            "DELETE FROM usage_by_region WHERE window_start_ms < $1",
            "DELETE FROM traits WHERE from_ms < $1",
            "DELETE FROM loads WHERE window_start_ms < $1",
            "DELETE FROM wishes WHERE window_start_ms < $1",
            "DELETE FROM observed_steps WHERE starts_at_ms < $1",
            "DELETE FROM reports WHERE received_at_ms < $1",
        ] {
            sqlx::query(statement).bind(before).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(windows)
    }
}

fn series_usage(row: &SqliteRow) -> Result<SeriesUsage, Error> {
    let count = |column: &str| row.try_get(column).map(from_db);
    let counters = Counters {
        requests_offered: count("requests_offered")?,
        requests_admitted: count("requests_admitted")?,
        offered: count("offered")?,
        guaranteed: count("guaranteed")?,
        opportunistic: count("opportunistic")?,
        emergency: count("emergency")?,
        beyond: count("beyond")?,
        delayed: count("delayed")?,
        delay_ms: count("delay_ms")?,
        settled: count("settled")?,
        settled_estimate: count("settled_estimate")?,
        largest: count("largest")?,
    };
    Ok(SeriesUsage { key: row.try_get("key")?, resource: row.try_get("resource")?, counters })
}
