//! The forecaster's database: usage windows and what is known beside them, what was learned of them for good, report sequence numbers, observed steps, the table epoch.
//!
//! One SQLite file, written by one connection and read by several (write-ahead log, full synchronisation: what
//! [`Store::record`] returned for survives a power cut). The SQL is kept to what PostgreSQL understands too.

mod details;
mod epoch;
mod error;
mod learned;
mod migrations;
mod record;
mod store;
mod usage;
mod wishes;

pub use details::{
    RegionTokens, RegionUsage, TRAIT_SPAN_MS, Trait, TraitCount, TraitUsage, WindowDetails, WindowLoad,
};
pub use error::Error;
pub use record::{NewReport, Recorded};
pub use store::Store;
pub use usage::{Counters, SeriesUsage, Totals, TotalsQuery, WindowUsage};
pub use wishes::{WindowWish, Wished};
