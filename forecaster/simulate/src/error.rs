//! What can go wrong, in words for whoever gave the files.

use std::path::PathBuf;

/// Why a simulation did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file's content makes no sense.
    #[error("{path}: line {line}{}: {problem}", column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name, where one is at fault.
        column: Option<String>,
        /// What is wrong and what to do.
        problem: String,
    },
    /// What was asked for cannot be done.
    #[error("{0}")]
    Asked(String),
    /// The planner made a table that breaks a rule of tables.
    #[error("the plan from step {step} on was refused: {source}")]
    Table {
        /// Its first step.
        step: u64,
        /// The rule.
        source: tidegate_core::table::TableError,
    },
}

impl Error {
    /// What was asked for cannot be done, because of this.
    pub(crate) fn asked(problem: impl Into<String>) -> Self {
        Self::Asked(problem.into())
    }
}
