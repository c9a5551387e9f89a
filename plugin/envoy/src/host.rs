//! Hostcalls that cannot panic.
//!
//! The SDK's trait methods unwrap every status; a panic costs Envoy the VM and the client a 503. Here an unexpected status
//! is simply no value.

use proxy_wasm::{
    hostcalls,
    types::{LogLevel, MapType},
};
use tidegate_core::{Timestamp, attributes::Attributes, gate::Label, outcome::Response};

/// All headers of one message, fetched in one hostcall: every call that returns data re-enters the VM to allocate.
pub(crate) struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    pub(crate) fn of_request() -> Self {
        Self(hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default())
    }

    pub(crate) fn of_response() -> Self {
        Self(hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default())
    }
}

impl Attributes for Headers {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.as_slice().header(name)
    }

    fn property(&self, names: &[&str]) -> Option<Vec<u8>> {
        hostcalls::get_property(names.to_vec()).ok().flatten()
    }
}

/// Envoy's wall clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

pub(crate) fn log(level: LogLevel, message: &str) {
    let _ = hostcalls::log(level, &format!("tidegate: {message}"));
}

/// A property of the plugin as text; empty when there is none.
pub(crate) fn property(name: &str) -> String {
    let bytes = hostcalls::get_property(vec![name]).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Makes `value` visible to access logs as `%FILTER_STATE(wasm.<name>:PLAIN)%`.
fn set_property(name: &str, value: &str) {
    let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
}

pub(crate) fn add_response_header(name: &str, value: &str) {
    let _ = hostcalls::add_map_value(MapType::HttpResponseHeaders, name, value);
}

/// Makes the decision visible to access logs.
pub(crate) fn show_decision(label: Label, tier: &str) {
    set_property("tidegate.decision", label.as_str());
    set_property("tidegate.tier", tier);
}

/// Answers the request in place of the upstream. False when Envoy would not.
pub(crate) fn respond(response: &Response) -> bool {
    let headers = response.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = Some(response.body.as_bytes());
    hostcalls::send_http_response(u32::from(response.status), headers, body).is_ok()
}
