//! The sync protocol between proxies and the forecaster: one bidirectional gRPC stream of [`Frame`]s.
//!
//! A frame is a kind and opaque bytes; what the bytes mean, and their versions, is `tidegate_core`'s business. Types
//! and services are generated from `proto/sync.proto`.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the .proto file documents it"
)]
mod generated {
    tonic::include_proto!("tidegate.sync.v1");
}

pub use generated::{Frame, Kind, sync_client, sync_server};
