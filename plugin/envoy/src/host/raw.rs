//! Hostcalls without what the SDK puts around them: it panics at any status that it does not expect and at text that is no UTF-8,
//! copies each header into two buffers of its own, and takes time through three types. Signatures: proxy-wasm ABI v0.2.1.

#![allow(unsafe_code, reason = "hostcalls are foreign functions")]

mod shared;
mod stream;

use std::ptr;

use proxy_wasm::types::{LogLevel, MapType, MetricType};
pub(super) use shared::{dequeue, enqueue, register_queue, resolve_queue, set_shared_data, shared_data};
pub(super) use stream::{buffer, cancel_stream, send_on_stream, stream_status};

const OK: i32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> i32;
    fn proxy_get_header_map_pairs(kind: MapType, data: *mut *mut u8, size: *mut usize) -> i32;
    fn proxy_get_header_map_value(
        kind: MapType,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> i32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> i32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> i32;
    fn proxy_set_effective_context(context: u32) -> i32;
    fn proxy_log(level: LogLevel, message: *const u8, size: usize) -> i32;
    fn proxy_define_metric(kind: MetricType, name: *const u8, name_size: usize, metric: *mut u32) -> i32;
    fn proxy_increment_metric(metric: u32, offset: i64) -> i32;
    fn proxy_record_metric(metric: u32, value: u64) -> i32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> i32;
    fn proxy_add_header_map_value(
        kind: MapType,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> i32;
    fn proxy_replace_header_map_value(
        kind: MapType,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> i32;
    fn proxy_remove_header_map_value(kind: MapType, name: *const u8, name_size: usize) -> i32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision_ns: u64, time: *mut u64) -> i32;
}

/// Nanoseconds on a clock that nobody sets, the same for all VMs of one Envoy.
pub(super) fn monotonic_ns() -> u64 {
    const MONOTONIC: u32 = 1;
    let mut time = 0;
    // SAFETY: the host writes one number to where it is told.
    match unsafe { clock_time_get(MONOTONIC, 1, &raw mut time) } {
        OK => time,
        _ => 0,
    }
}

/// Nanoseconds since 1970; 0 when there is no clock.
pub(super) fn wall_ns() -> u64 {
    let mut time = 0;
    // SAFETY: the host writes one number to where it is told.
    match unsafe { proxy_get_current_time_nanoseconds(&raw mut time) } {
        OK => time,
        _ => 0,
    }
}

/// All headers of one message in one buffer; an empty one when there are none.
pub(super) fn header_pairs(kind: MapType) -> Vec<u8> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the host writes an address and a length to where it is told.
    let status = unsafe { proxy_get_header_map_pairs(kind, &raw mut data, &raw mut size) };
    // SAFETY: it has filled them in, or left them as they were.
    if status == OK { unsafe { taken(data, size) } } else { Vec::new() }
}

/// The first value of a header.
pub(super) fn header(kind: MapType, name: &str) -> Option<Vec<u8>> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the host only reads within the name, and writes an address and a length to where it is told.
    let status =
        unsafe { proxy_get_header_map_value(kind, name.as_ptr(), name.len(), &raw mut data, &raw mut size) };
    // SAFETY: it has filled them in, or left them as they were.
    (status == OK).then(|| unsafe { taken(data, size) })
}

/// What the host has put into memory of this module.
///
/// # Safety
/// Unless `data` is null, the host has got `size` bytes from this module's allocator, as a boxed slice of that length, has filled
/// them, and keeps no reference to them.
unsafe fn taken(data: *mut u8, size: usize) -> Vec<u8> {
    // SAFETY: as above.
    if data.is_null() { Vec::new() } else { unsafe { Vec::from_raw_parts(data, size, size) } }
}

/// Sets a property by its whole path.
pub(super) fn set_property(path: &str, value: &str) {
    // SAFETY: the host only reads within the two texts, and only during the call.
    let _ = unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
}

/// A property by the parts of its path.
pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    let (mut data, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the host only reads within the path, and writes an address and a length to where it is told.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    // SAFETY: it has filled them in, or left them as they were.
    (status == OK && !data.is_null()).then(|| unsafe { taken(data, size) })
}

/// Makes another context the one that calls act for.
pub(super) fn act_for(context: u32) -> bool {
    // SAFETY: only a number passes.
    let status = unsafe { proxy_set_effective_context(context) };
    status == OK
}

/// Writes to Envoy's log.
pub(super) fn log(level: LogLevel, message: &str) {
    // SAFETY: the host only reads within the text, and only during the call.
    let _ = unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

/// Adds to a header of the message that is being handled.
pub(super) fn add_header(kind: MapType, name: &str, value: &str) {
    // SAFETY: the host only reads within the two texts, and only during the call.
    let _ =
        unsafe { proxy_add_header_map_value(kind, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// Sets a header of the message that is being handled, or removes it.
pub(super) fn set_header(kind: MapType, name: &str, value: Option<&str>) {
    // SAFETY: the host only reads within the texts, and only during the call.
    let _ = unsafe {
        match value {
            Some(value) => {
                proxy_replace_header_map_value(kind, name.as_ptr(), name.len(), value.as_ptr(), value.len())
            }
            None => proxy_remove_header_map_value(kind, name.as_ptr(), name.len()),
        }
    };
}

/// Makes a metric, or finds the one that has been made.
pub(super) fn define_metric(kind: MetricType, name: &str) -> Option<u32> {
    let mut metric = 0;
    // SAFETY: the host only reads within the name, and writes a number to where it is told.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut metric) };
    (status == OK).then_some(metric)
}

/// Adds to a counter or a gauge.
pub(super) fn increment_metric(metric: u32, offset: i64) {
    // SAFETY: only numbers pass; a metric that is not known is refused by its status.
    let _ = unsafe { proxy_increment_metric(metric, offset) };
}

/// Sets a gauge, or adds a value to a histogram.
pub(super) fn record_metric(metric: u32, value: u64) {
    // SAFETY: only numbers pass; a metric that is not known is refused by its status.
    let _ = unsafe { proxy_record_metric(metric, value) };
}

/// Sets how often the root context hears a tick. False when the host would not.
pub(super) fn set_tick_period(period_ms: u32) -> bool {
    // SAFETY: only a number passes.
    let status = unsafe { proxy_set_tick_period_milliseconds(period_ms) };
    status == OK
}
