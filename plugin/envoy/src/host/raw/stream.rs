//! What comes in pieces: bodies, configuration, and the messages of gRPC streams.

use std::ptr;

use proxy_wasm::types::BufferType;

use super::{OK, taken};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_buffer_bytes(
        kind: BufferType,
        start: usize,
        most: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> i32;
    fn proxy_grpc_send(stream: u32, message: *const u8, size: usize, ends: i32) -> i32;
    fn proxy_grpc_cancel(stream: u32) -> i32;
    fn proxy_get_status(code: *mut u32, message: *mut *mut u8, size: *mut usize) -> i32;
}

/// At most so many bytes of what is being handled, from `start` on.
pub(in crate::host) fn buffer(kind: BufferType, start: usize, most: usize) -> Option<Vec<u8>> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the host writes an address and a length to where it is told.
    let status = unsafe { proxy_get_buffer_bytes(kind, start, most, &raw mut data, &raw mut size) };
    // SAFETY: it has filled them in, or left them as they were.
    (status == OK).then(|| unsafe { taken(data, size) })
}

/// Sends a message on a gRPC stream. False when the stream is no more.
pub(in crate::host) fn send_on_stream(stream: u32, message: &[u8]) -> bool {
    // SAFETY: the host only reads within the message, and only during the call.
    let status = unsafe { proxy_grpc_send(stream, message.as_ptr(), message.len(), 0) };
    status == OK
}

/// Ends a gRPC stream, if it is one of the present root context.
pub(in crate::host) fn cancel_stream(stream: u32) {
    // SAFETY: only a number passes; a stream that is not known is refused by its status.
    let _ = unsafe { proxy_grpc_cancel(stream) };
}

/// What the other side said when it ended a stream.
pub(in crate::host) fn stream_status() -> Vec<u8> {
    let (mut code, mut data, mut size) = (0, ptr::null_mut(), 0);
    // SAFETY: the host writes an address and two numbers to where it is told.
    let status = unsafe { proxy_get_status(&raw mut code, &raw mut data, &raw mut size) };
    // SAFETY: it has filled them in, or left them as they were.
    if status == OK { unsafe { taken(data, size) } } else { Vec::new() }
}
