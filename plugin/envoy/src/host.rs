//! Hostcalls that cannot panic.
//!
//! The SDK's trait methods unwrap every status; a panic costs Envoy the VM and the client a 503. Here an unexpected status
//! is simply no value.

mod clock;
mod headers;
mod raw;

pub(crate) use clock::{era, keep_time, now};
pub(crate) use headers::{Headers, forget_habits};
use proxy_wasm::{
    hostcalls,
    types::{LogLevel, MapType},
};
use tidegate_core::{config::Config, gate::Verdict, outcome::Response};

/// Shared data under a name, and which write it is from; `None` where there is none yet.
pub(crate) fn shared_data(name: &str) -> Option<(Vec<u8>, u32)> {
    raw::shared_data(name)
}

/// Replaces shared data if it is still from the write that was read, or there is still none.
pub(crate) fn set_shared_data(name: &str, data: &[u8], read: Option<u32>) -> bool {
    /// Envoy numbers writes upwards from 1, and takes 0 for "whatever it is now". Where there is nothing it takes any number.
    const NONE_YET: u32 = u32::MAX;
    raw::set_shared_data(name, data, read.unwrap_or(NONE_YET))
}

/// Adds to a counter.
pub(crate) fn increment_metric(metric: u32, amount: u64) {
    raw::increment_metric(metric, amount);
}

pub(crate) fn log(level: LogLevel, message: &str) {
    let _ = hostcalls::log(level, &format!("tidegate: {message}"));
}

/// A property of the plugin as text; empty when there is none.
pub(crate) fn property(name: &str) -> String {
    let bytes = hostcalls::get_property(vec![name]).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn add_response_header(name: &str, value: &str) {
    let _ = hostcalls::add_map_value(MapType::HttpResponseHeaders, name, value);
}

/// What access logs tell of every request, and not only of those that somebody may ask about.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shown {
    every_decision: bool,
    every_id: bool,
}

impl Shown {
    pub(crate) const fn by(config: &Config) -> Self {
        Self { every_decision: config.access_log, every_id: config.decision_ids }
    }
}

/// Makes a decision visible to access logs as `%FILTER_STATE(wasm.NAME:PLAIN)%`, where the configuration wants that of all, or
/// somebody may ask why it was not a plain one. `tier` is its tier's name.
pub(crate) fn show_decision(verdict: &Verdict, tier: &str, shown: Shown) {
    let is_notable = !verdict.label.is_plain();
    if shown.every_decision || is_notable {
        raw::set_property("tidegate.decision", verdict.label.as_str());
        raw::set_property("tidegate.tier", tier);
    }
    if shown.every_id || is_notable {
        raw::set_property("tidegate.decision_id", &verdict.id.to_string());
    }
}

/// Sets and removes headers of the request. Envoy may have chosen the route by what they were, so it chooses anew.
pub(crate) fn change_request(headers: &[(String, Option<String>)]) {
    for (name, value) in headers {
        // Without a value it is removed.
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, value.as_deref());
    }
    if !headers.is_empty() {
        let _ = hostcalls::call_foreign_function("clear_route_cache", None);
    }
}

/// Answers the request in place of the upstream. False when Envoy would not.
pub(crate) fn respond(response: &Response) -> bool {
    let headers = response.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = Some(response.body.as_bytes());
    hostcalls::send_http_response(u32::from(response.status), headers, body).is_ok()
}
