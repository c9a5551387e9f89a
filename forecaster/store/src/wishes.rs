//! What more capacity would have served: by resource and window, since no key is told with it.

use std::collections::BTreeMap;

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use crate::{
    Error, Store,
    record::{MAX_COUNT, ROWS_PER_INSERT},
    store::{from_db, to_db},
};

/// Tokens that were asked for within contracts while there was no capacity for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wished {
    /// Tokens refused.
    pub refused: u64,
    /// Tokens delayed.
    pub delayed: u64,
}

/// Increments of one resource in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowWish {
    /// Name of the resource.
    pub resource: String,
    /// When the window began, in milliseconds since the Unix epoch.
    pub window_start_ms: u64,
    /// The increments.
    pub wished: Wished,
}

impl Wished {
    /// Adds the increments of `other`; no single one counts for more than the core's amounts reach.
    fn add(&mut self, other: Self) {
        self.refused = self.refused.saturating_add(other.refused.min(MAX_COUNT));
        self.delayed = self.delayed.saturating_add(other.delayed.min(MAX_COUNT));
    }
}

/// Sums of what several reports wish for, ready to be added to the database.
#[derive(Default)]
pub(crate) struct WishSums<'a> {
    sums: BTreeMap<(u64, &'a str), Wished>,
}

impl<'a> WishSums<'a> {
    pub(crate) fn add(&mut self, wishes: &'a [WindowWish]) {
        for wish in wishes {
            self.sums.entry((wish.window_start_ms, &wish.resource)).or_default().add(wish.wished);
        }
    }

    pub(crate) async fn upsert(self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let rows: Vec<_> = self.sums.into_iter().collect();
        for chunk in rows.chunks(ROWS_PER_INSERT) {
            let head = "INSERT INTO wishes (window_start_ms, resource, refused, delayed) ";
            let mut query = QueryBuilder::<Sqlite>::new(head);
            query.push_values(chunk, |mut row, ((window_start_ms, resource), wished)| {
                row.push_bind(to_db(*window_start_ms)).push_bind((*resource).to_owned());
                row.push_bind(to_db(wished.refused)).push_bind(to_db(wished.delayed));
            });
            query.push(
                " ON CONFLICT (window_start_ms, resource) DO UPDATE SET \
                 refused = wishes.refused + excluded.refused, delayed = wishes.delayed + excluded.delayed",
            );
            query.build().execute(&mut *connection).await?;
        }
        Ok(())
    }
}

impl Store {
    /// What more of each resource would have served over the windows that begin in `from_ms..to_ms`, by name. Resources of
    /// which there was enough are absent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wishes_between(&self, from_ms: u64, to_ms: u64) -> Result<BTreeMap<String, Wished>, Error> {
        let rows = sqlx::query(
            "SELECT resource, CAST(SUM(refused) AS BIGINT) AS refused, CAST(SUM(delayed) AS BIGINT) AS delayed \
             FROM wishes WHERE window_start_ms >= $1 AND window_start_ms < $2 GROUP BY resource",
        )
        .bind(to_db(from_ms))
        .bind(to_db(to_ms))
        .fetch_all(&self.readers)
        .await?;
        let wished = |row: &sqlx::sqlite::SqliteRow| {
            let wished = Wished {
                refused: from_db(row.try_get("refused")?),
                delayed: from_db(row.try_get("delayed")?),
            };
            Ok((row.try_get("resource")?, wished))
        };
        rows.iter().map(wished).collect()
    }
}
