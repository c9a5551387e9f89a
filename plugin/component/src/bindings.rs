//! What is generated from the world, and the type that implements it.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the world documents it"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "policy",
    additional_derives: [serde::Deserialize, serde::Serialize],
});

/// The policy; its parts are in the modules of the interfaces' names.
pub(crate) struct Policy;

export!(Policy);
