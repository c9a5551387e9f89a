//! Time as all workers of one Envoy have it: that of a clock which nobody sets, counted from where the wall clock once stood.
//!
//! Budgets that workers share refill by time, so all have to go by the same clock, and a wall clock that is set back would stall
//! them. Where it stood is in shared data; when it has been set since, everybody counts anew, and that begins another era.

use std::cell::Cell;

use tidegate_core::Timestamp;

use super::{raw, set_shared_data, shared_data};
use crate::era::{Choice, choose};

const SHARED: &str = "tidegate.clock";

thread_local! {
    /// What has to be added to the clock that nobody sets; it wraps.
    static OFFSET_NS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// What time it is.
pub(crate) fn now() -> Timestamp {
    let time = OFFSET_NS.get().map(|offset| raw::monotonic_ns().wrapping_add(offset));
    Timestamp::from_nanos(time.unwrap_or_else(raw::wall_ns))
}

/// Times of different eras have nothing to do with one another.
pub(crate) fn era() -> u64 {
    OFFSET_NS.get().unwrap_or_default()
}

/// Looks whether the wall clock has been set, by this worker's own eyes or by another's: then [`era`] is another.
pub(crate) fn keep_time() {
    let (wall, monotonic) = (raw::wall_ns(), raw::monotonic_ns());
    let before = OFFSET_NS.get();
    // Mostly there is no need to ask the others.
    if choose(before, None, wall, monotonic) == Choice::Keep {
        return;
    }
    let (shared, read) = read();
    let next = match choose(before, shared, wall, monotonic) {
        Choice::Keep => return,
        Choice::Join(offset) => offset,
        Choice::Begin(own) if set_shared_data(SHARED, &own.to_le_bytes(), read) => own,
        // Another was faster.
        Choice::Begin(own) => self::read().0.unwrap_or(own),
    };
    OFFSET_NS.set(Some(next));
}

fn read() -> (Option<u64>, Option<u32>) {
    let found = shared_data(SHARED);
    let offset = found.as_ref().and_then(|(bytes, _)| Some(u64::from_le_bytes(*bytes.first_chunk()?)));
    (offset, found.map(|(_, cas)| cas))
}
