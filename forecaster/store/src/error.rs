//! What can go wrong with the database.

use std::path::PathBuf;

/// Why the database could not do what was asked; nothing of the failed call has been kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or created.
    #[error("cannot open the database {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The file was written by a newer version of this program.
    #[error("the database has schema version {found}, this build knows up to {known}: use a newer build")]
    NewerSchema {
        /// Version in the file.
        found: i64,
        /// Newest version that this build knows.
        known: i64,
    },
    /// A statement failed: disk full, file damaged, locked by another process.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
}
