//! What is generated from the world.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the package documents it"
)]

wasmtime::component::bindgen!({ path: "../../wit", world: "policy" });
