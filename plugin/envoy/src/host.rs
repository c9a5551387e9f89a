//! Hostcalls that cannot panic.
//!
//! The SDK panics at every status that it does not expect, and a panic costs Envoy the VM and the client a 503. Here an unexpected
//! status is simply no value. Of the SDK's own there are only those left that open a stream, resume and answer requests, and call
//! `clear_route_cache`.

mod clock;
mod headers;
mod raw;

pub(crate) use clock::{era, keep_time, now};
pub(crate) use headers::{Headers, forget_habits};
use proxy_wasm::{
    hostcalls,
    types::{BufferType, LogLevel, MapType, MetricType},
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

/// Replaces shared data, whatever it is.
pub(crate) fn put_shared_data(name: &str, data: &[u8]) {
    const ANY: u32 = 0;
    let _ = raw::set_shared_data(name, data, ANY);
}

/// Opens a queue of this VM, or takes it over.
pub(crate) fn register_queue(name: &str) -> Option<u32> {
    raw::register_queue(name)
}

/// Puts a message into the queue with this name of VMs with this id. False when there is none.
pub(crate) fn tell_queue(vm: &str, name: &str, message: &[u8]) -> bool {
    raw::resolve_queue(vm, name).is_some_and(|queue| raw::enqueue(queue, message))
}

/// The next message of a queue.
pub(crate) fn dequeue(queue: u32) -> Option<Vec<u8>> {
    raw::dequeue(queue)
}

/// At most so many bytes of a buffer, from `start` on; none where there is no such buffer.
pub(crate) fn buffer(kind: BufferType, start: usize, most: usize) -> Vec<u8> {
    raw::buffer(kind, start, most).unwrap_or_default()
}

/// Ends a gRPC stream of the present root context; another's goes on.
pub(crate) fn cancel_stream(stream: u32) {
    raw::cancel_stream(stream);
}

/// Sends a message on a gRPC stream; one that is no more will be found closed.
pub(crate) fn send_on_stream(stream: u32, message: &[u8]) {
    let _ = raw::send_on_stream(stream, message);
}

/// What the other side said when it ended the stream, as text.
pub(crate) fn stream_status() -> String {
    String::from_utf8_lossy(&raw::stream_status()).into_owned()
}

/// Adds to a counter or a gauge.
pub(crate) fn increment_metric(metric: u32, offset: i64) {
    raw::increment_metric(metric, offset);
}

/// Sets a gauge, or adds a value to a histogram.
pub(crate) fn record_metric(metric: u32, value: u64) {
    raw::record_metric(metric, value);
}

/// Sets how often the root context hears a tick. False when the host would not.
pub(crate) fn set_tick_period(period_ms: u64) -> bool {
    raw::set_tick_period(u32::try_from(period_ms).unwrap_or(u32::MAX))
}

pub(crate) fn log(level: LogLevel, message: &str) {
    raw::log(level, &format!("tidegate: {message}"));
}

/// A property of the plugin as text; empty when there is none.
pub(crate) fn property(name: &str) -> String {
    let bytes = raw::property(&[name]).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is done from now on is done for this context, until the call into the plugin has returned. False when it is no more.
pub(crate) fn act_for(context: u32) -> bool {
    raw::act_for(context)
}

/// Makes a metric; `None` when Envoy would not.
pub(crate) fn define_metric(kind: MetricType, name: &str) -> Option<u32> {
    raw::define_metric(kind, name)
}

pub(crate) fn add_response_header(name: &str, value: &str) {
    raw::add_header(MapType::HttpResponseHeaders, name, value);
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
        raw::set_header(MapType::HttpRequestHeaders, name, value.as_deref());
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
