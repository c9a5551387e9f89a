//! The sync protocol between proxies and the forecaster: one bidirectional gRPC stream of [`Frame`]s.
//!
//! A frame is a kind and opaque bytes; what the bytes mean, and their versions, is `tidegate_core`'s business, but for what
//! reports tell beside their counters: [`read_report`]. Types and services are generated from `proto/sync.proto`.

mod details;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the .proto file documents it"
)]
mod generated {
    tonic::include_proto!("tidegate.sync.v1");
}

pub use details::{DetailsError, MAX_BUCKET, bucket_of, bucket_range, read_report};
pub use generated::{DetailedReport, Details, Frame, Kind, Load, Part, Spread, sync_client, sync_server};
