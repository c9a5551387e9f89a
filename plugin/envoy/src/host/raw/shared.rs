//! What the workers of one Envoy have in common: data and queues by name.

use std::ptr;

use super::{OK, taken};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_shared_data(
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> i32;
    fn proxy_set_shared_data(
        name: *const u8,
        name_size: usize,
        data: *const u8,
        size: usize,
        cas: u32,
    ) -> i32;
    fn proxy_register_shared_queue(name: *const u8, name_size: usize, queue: *mut u32) -> i32;
    fn proxy_resolve_shared_queue(
        vm: *const u8,
        vm_size: usize,
        name: *const u8,
        name_size: usize,
        queue: *mut u32,
    ) -> i32;
    fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> i32;
    fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> i32;
}

/// Shared data under a name, and which write it is from; `None` where there is none yet.
pub(in crate::host) fn shared_data(name: &str) -> Option<(Vec<u8>, u32)> {
    let (mut data, mut size, mut cas) = (ptr::null_mut(), 0, 0);
    // SAFETY: the host only reads within the name, and writes an address and two numbers to where it is told.
    let status = unsafe {
        proxy_get_shared_data(name.as_ptr(), name.len(), &raw mut data, &raw mut size, &raw mut cas)
    };
    // SAFETY: it has filled them in, or left them as they were.
    (status == OK).then(|| unsafe { (taken(data, size), cas) })
}

/// Replaces shared data if it is still from the write `cas`, or there is none; 0 is any write.
pub(in crate::host) fn set_shared_data(name: &str, data: &[u8], cas: u32) -> bool {
    // SAFETY: the host only reads within the two, and only during the call.
    let status = unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), data.as_ptr(), data.len(), cas) };
    status == OK
}

/// Opens a queue of this VM, or takes it over.
pub(in crate::host) fn register_queue(name: &str) -> Option<u32> {
    let mut queue = 0;
    // SAFETY: the host only reads within the name, and writes a number to where it is told.
    let status = unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) };
    (status == OK).then_some(queue)
}

/// The queue with this name of VMs with this id.
pub(in crate::host) fn resolve_queue(vm: &str, name: &str) -> Option<u32> {
    let mut queue = 0;
    // SAFETY: the host only reads within the two texts, and writes a number to where it is told.
    let status = unsafe {
        proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), &raw mut queue)
    };
    (status == OK).then_some(queue)
}

/// Puts a message into a queue. False when there is none.
pub(in crate::host) fn enqueue(queue: u32, message: &[u8]) -> bool {
    // SAFETY: the host only reads within the message, and only during the call.
    let status = unsafe { proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) };
    status == OK
}

/// The next message of a queue; `None` when it is empty.
pub(in crate::host) fn dequeue(queue: u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the host writes an address and a length to where it is told.
    let status = unsafe { proxy_dequeue_shared_queue(queue, &raw mut data, &raw mut size) };
    // SAFETY: it has filled them in, or left them as they were.
    (status == OK).then(|| unsafe { taken(data, size) })
}
