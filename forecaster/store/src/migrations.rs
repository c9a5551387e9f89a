//! The schema, as numbered steps. Each runs once, in a transaction, in order; none is ever edited after a release.

use sqlx::{Connection, SqliteConnection};

use crate::Error;

const MIGRATIONS: &[&[&str]] = &[
    &[
        // Which reports have been counted. Several workers report through one stream, and what was not acknowledged is
        // sent again behind newer ones, so a highest number would not do.
        "CREATE TABLE reports (
        proxy TEXT NOT NULL,
        boot BIGINT NOT NULL,
        seq BIGINT NOT NULL,
        received_at_ms BIGINT NOT NULL,
        PRIMARY KEY (proxy, boot, seq)
    )",
        "CREATE INDEX reports_by_time ON reports (received_at_ms)",
        // Time comes first: reports append, a step is one range, retention cuts off the beginning.
        "CREATE TABLE usage (
        window_start_ms BIGINT NOT NULL,
        key TEXT NOT NULL,
        resource TEXT NOT NULL,
        requests_offered BIGINT NOT NULL,
        requests_admitted BIGINT NOT NULL,
        offered BIGINT NOT NULL,
        guaranteed BIGINT NOT NULL,
        opportunistic BIGINT NOT NULL,
        settled BIGINT NOT NULL,
        settled_estimate BIGINT NOT NULL,
        largest BIGINT NOT NULL,
        PRIMARY KEY (window_start_ms, key, resource)
    )",
        "CREATE TABLE observed_steps (starts_at_ms BIGINT NOT NULL PRIMARY KEY)",
        "CREATE TABLE epochs (name TEXT NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL)",
    ],
    &[
        "ALTER TABLE usage ADD COLUMN emergency BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE usage ADD COLUMN beyond BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE usage ADD COLUMN delayed BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE usage ADD COLUMN delay_ms BIGINT NOT NULL DEFAULT 0",
    ],
    &[
        "CREATE TABLE usage_by_region (
        window_start_ms BIGINT NOT NULL,
        key TEXT NOT NULL,
        resource TEXT NOT NULL,
        region TEXT NOT NULL,
        tokens BIGINT NOT NULL,
        PRIMARY KEY (window_start_ms, key, resource, region)
    )",
        // By the hour: distributions, of which the second does not matter.
        "CREATE TABLE traits (
        from_ms BIGINT NOT NULL,
        key TEXT NOT NULL,
        resource TEXT NOT NULL,
        of BIGINT NOT NULL,
        name TEXT NOT NULL,
        requests BIGINT NOT NULL,
        PRIMARY KEY (from_ms, key, resource, of, name)
    )",
        "CREATE TABLE loads (
        window_start_ms BIGINT NOT NULL,
        resource TEXT NOT NULL,
        permille BIGINT NOT NULL,
        samples BIGINT NOT NULL,
        PRIMARY KEY (window_start_ms, resource)
    )",
    ],
    &["CREATE TABLE wishes (
        window_start_ms BIGINT NOT NULL,
        resource TEXT NOT NULL,
        refused BIGINT NOT NULL,
        delayed BIGINT NOT NULL,
        PRIMARY KEY (window_start_ms, resource)
    )"],
    &["CREATE TABLE learned (
        name TEXT NOT NULL PRIMARY KEY,
        saved_at_ms BIGINT NOT NULL,
        state BYTEA NOT NULL
    )"],
];

/// Brings the schema up to date.
pub(crate) async fn run(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)")
        .execute(&mut *connection)
        .await?;
    let found: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM schema_version")
        .fetch_one(&mut *connection)
        .await?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    for (version, statements) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let mut transaction = connection.begin().await?;
        for statement in *statements {
            sqlx::query(*statement).execute(&mut *transaction).await?;
        }
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}
