//! What can be wrong with input.

use std::path::PathBuf;

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A line makes no sense.
    #[error("{}: line {line}{}: {says}", path.display(), column.as_ref().map(|name| format!(", column {name}")).unwrap_or_default())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// Its column, if it is one.
        column: Option<String>,
        /// What is wrong.
        says: String,
    },
    /// A frequency that is none.
    #[error(
        "`{0}` is no frequency: give a number and a unit, such as 10s, 5min, 1h, 1d or 1w, or a plain number for steps that are numbers"
    )]
    Freq(String),
    /// No series is long enough for any window.
    #[error("no series is long enough: a window needs a step to learn from and {horizon} to forecast")]
    TooShort {
        /// Steps ahead.
        horizon: usize,
    },
}
