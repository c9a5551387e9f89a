//! What a policy may use of the process: memory, tables, and CPU time per call.
//!
//! Time is the CPU time of the calling thread, not the clock on the wall: on a busy machine a thread may be out of work for
//! longer than any sensible limit, and that is not the policy's fault.

use std::{sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{ResourceLimiter, StoreContextMut, StoreLimits, StoreLimitsBuilder, UpdateDeadline};

use crate::books::Books;

/// How often the engine looks at what runs. A call that loops is noticed two of these after its time is over.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// What a policy may use.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Linear memory of an instance in bytes; what does not fit makes the call fail.
    pub memory_bytes: usize,
    /// Elements of all its tables.
    pub table_elements: usize,
    /// CPU time of a call on the request path.
    pub decision_time: Duration,
    /// CPU time of any other call, such as one that installs a slice of a table.
    pub upkeep_time: Duration,
}

impl Default for Limits {
    /// Room for two million keys, and far more time than anything takes: the longest decision is the one for which the policy's map
    /// of a million keys grows.
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            table_elements: 10_000,
            decision_time: Duration::from_millis(250),
            upkeep_time: Duration::from_secs(5),
        }
    }
}

/// What is kept of an instance beside the instance: its limits, the time of the call under way, and what it can reach.
pub(crate) struct Meter {
    limits: StoreLimits,
    /// Linear memory in use.
    pub(crate) memory_bytes: usize,
    /// What it keeps in common with others.
    pub(crate) books: Option<Arc<Books>>,
    allowed: Duration,
    /// CPU time of the thread when the call was first looked at.
    seen_at: Option<Duration>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, books: Option<Arc<Books>>) -> Self {
        let store_limits = StoreLimitsBuilder::new()
            .memory_size(limits.memory_bytes)
            .table_elements(limits.table_elements)
            .trap_on_grow_failure(true)
            .build();
        Self { limits: store_limits, memory_bytes: 0, books, allowed: Duration::ZERO, seen_at: None }
    }

    /// A call begins.
    pub(crate) const fn begin(&mut self, allowed: Duration) {
        (self.allowed, self.seen_at) = (allowed, None);
    }
}

/// What the limits say, and a count of what there is.
impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let may = self.limits.memory_growing(current, desired, most)?;
        if may {
            self.memory_bytes += desired.saturating_sub(current);
        }
        Ok(may)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.limits.table_growing(current, desired, most)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}

/// A call is still under way at a tick: it goes on while its thread has used less than is allowed.
pub(crate) fn look(mut store: StoreContextMut<'_, Meter>) -> wasmtime::Result<UpdateDeadline> {
    let meter = store.data_mut();
    let used = thread_time();
    let seen_at = *meter.seen_at.get_or_insert(used);
    let is_over = used.saturating_sub(seen_at) >= meter.allowed;
    Ok(if is_over { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) })
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
