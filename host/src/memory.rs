//! Linear memory on huge pages, where the operating system offers them on request.
//!
//! A million keys take a hundred megabytes, touched in no order: on pages of 4 KiB most of a decision would be the search for
//! the page. Each memory reserves the whole range that compiled code can address and says that huge pages are welcome.

#![allow(
    unsafe_code,
    reason = "memory is mapped, protected and given back by hand; each block says why that is sound"
)]

use std::{fs, ptr, sync::Arc};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// Size of a huge page on the machines that matter; elsewhere only the alignment is coarser than need be.
const HUGE_PAGE: usize = 2 << 20;

/// A creator of such memories; none where huge pages are never given, or always are.
pub(crate) fn huge_pages() -> Option<Arc<dyn MemoryCreator>> {
    let offered = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    offered.contains("[madvise]").then(|| Arc::new(HugePages) as Arc<dyn MemoryCreator>)
}

struct HugePages;

// SAFETY: memories are zero-filled anonymous mappings that reserve what was asked for and the guard after it, and never move.
unsafe impl MemoryCreator for HugePages {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let capacity = reserved.or(maximum).unwrap_or(minimum).max(minimum);
        Mapping::new(capacity, guard, minimum)
            .map(|mapping| Box::new(mapping) as Box<dyn LinearMemory>)
            .map_err(|error| format!("cannot reserve {capacity} bytes of memory: {error}"))
    }
}

/// An address range of which the first `size` bytes may be used.
struct Mapping {
    start: usize,
    length: usize,
    /// First address of the memory: the first one in the range that a huge page can begin at.
    base: usize,
    size: usize,
    capacity: usize,
}

impl Mapping {
    fn new(capacity: usize, guard: usize, minimum: usize) -> rustix::io::Result<Self> {
        let length = capacity
            .checked_add(guard)
            .and_then(|length| length.checked_add(HUGE_PAGE))
            .ok_or(rustix::io::Errno::NOMEM)?;
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                length,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        let start = start as usize;
        let base = start.next_multiple_of(HUGE_PAGE);
        let mut mapping = Self { start, length, base, size: 0, capacity };
        mapping.open(minimum)?;
        Ok(mapping)
    }

    /// Makes the first `size` bytes usable.
    fn open(&mut self, size: usize) -> rustix::io::Result<()> {
        if size > self.size {
            let at = (self.base + self.size) as *mut core::ffi::c_void;
            let more = size - self.size;
            // SAFETY: the range lies within this mapping, behind what is in use, and `size` is at most `capacity`.
            unsafe {
                mprotect(at, more, MprotectFlags::READ | MprotectFlags::WRITE)?;
                // Without huge pages it works too, only slower.
                let _ = madvise(at, more, Advice::LinuxHugepage);
            }
            self.size = size;
        }
        Ok(())
    }
}

// SAFETY: the range from `as_ptr` is `capacity` bytes long, followed by the guard, and stays where it is until it is dropped.
unsafe impl LinearMemory for Mapping {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.capacity
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        if new_size > self.capacity {
            return Err(wasmtime::Error::msg("the memory is at its end"));
        }
        Ok(self.open(new_size)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.base as *mut u8
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nobody has the addresses any more; wasmtime drops a memory after everything that uses it.
        let _ = unsafe { munmap(self.start as *mut core::ffi::c_void, self.length) };
    }
}
