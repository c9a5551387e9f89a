//! Hostcalls that cannot panic.
//!
//! The SDK's trait methods unwrap every status; a panic costs Envoy the VM and the client a 503. Here an unexpected status
//! is simply no value.

use proxy_wasm::{
    hostcalls,
    types::{LogLevel, MapType},
};
use tidegate_core::{Timestamp, attributes::Attributes, gate::Verdict, outcome::Response};

/// All headers of one message, fetched in one hostcall: every call that returns data re-enters the VM to allocate.
pub(crate) struct Headers {
    headers: Vec<(String, Vec<u8>)>,
    trailers: Vec<(String, Vec<u8>)>,
}

impl Headers {
    pub(crate) fn of_request() -> Self {
        Self::of(MapType::HttpRequestHeaders)
    }

    pub(crate) fn of_response() -> Self {
        Self::of(MapType::HttpResponseHeaders)
    }

    /// Fetches the response's trailers too, once they are there.
    pub(crate) fn read_trailers(&mut self) {
        self.trailers = hostcalls::get_map_bytes(MapType::HttpResponseTrailers).unwrap_or_default();
    }

    fn of(kind: MapType) -> Self {
        Self { headers: hostcalls::get_map_bytes(kind).unwrap_or_default(), trailers: Vec::new() }
    }
}

impl Attributes for Headers {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.as_slice().header(name)
    }

    fn trailer(&self, name: &str) -> Option<&[u8]> {
        self.trailers.as_slice().header(name)
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

/// Makes the decision visible to access logs; its id where somebody may ask for it.
pub(crate) fn show_decision(verdict: &Verdict, tier: &str, every_id: bool) {
    set_property("tidegate.decision", verdict.label.as_str());
    set_property("tidegate.tier", tier);
    if every_id || !verdict.label.is_plain() {
        set_property("tidegate.decision_id", &verdict.id.to_string());
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
