//! What a restart must not forget beside usage: the last table epoch, and which steps were watched.

use crate::{
    Error, Store,
    store::{from_db, to_db},
};

const TABLE: &str = "table";

impl Store {
    /// Takes the next table epoch: higher than every one taken before, and at least `at_least`.
    ///
    /// With the current Unix time in milliseconds as `at_least`, epochs go on rising even when the file was lost.
    ///
    /// # Errors
    /// When the database fails; no epoch has been taken then.
    pub async fn next_epoch(&self, at_least: u64) -> Result<u64, Error> {
        let epoch: i64 = sqlx::query_scalar(
            "INSERT INTO epochs (name, epoch) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET epoch = \
             CASE WHEN excluded.epoch > epochs.epoch THEN excluded.epoch ELSE epochs.epoch + 1 END \
             RETURNING epoch",
        )
        .bind(TABLE)
        .bind(to_db(at_least))
        .fetch_one(&self.writer)
        .await?;
        Ok(from_db(epoch))
    }

    /// Remembers that somebody was there to report in the step that began at `starts_at_ms`: keys without usage were
    /// silent then, not unknown.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_observed(&self, starts_at_ms: u64) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO observed_steps (starts_at_ms) VALUES ($1) ON CONFLICT (starts_at_ms) DO NOTHING",
        )
        .bind(to_db(starts_at_ms))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The steps that [`Store::mark_observed`] remembers and that began in `from_ms..to_ms`, ascending.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn observed_between(&self, from_ms: u64, to_ms: u64) -> Result<Vec<u64>, Error> {
        let steps: Vec<i64> = sqlx::query_scalar(
            "SELECT starts_at_ms FROM observed_steps WHERE starts_at_ms >= $1 AND starts_at_ms < $2 \
             ORDER BY starts_at_ms",
        )
        .bind(to_db(from_ms))
        .bind(to_db(to_ms))
        .fetch_all(&self.readers)
        .await?;
        Ok(steps.into_iter().map(from_db).collect())
    }

    /// When the oldest usage window began, in milliseconds since the Unix epoch; `None` in an empty database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn first_window_ms(&self) -> Result<Option<u64>, Error> {
        let first: Option<i64> =
            sqlx::query_scalar("SELECT MIN(window_start_ms) FROM usage").fetch_one(&self.readers).await?;
        Ok(first.map(from_db))
    }
}
