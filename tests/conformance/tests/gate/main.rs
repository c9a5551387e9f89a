//! Gates with tables: what `tidegate-host`, to which tables are opaque, cannot try alone.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod canonical;
mod held;
mod layer;
mod link;
mod memory;
mod shards;
mod world;
