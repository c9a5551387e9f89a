//! Eras of the clock that the workers of one Envoy have in common, and the books that belong to them.
//!
//! A clock that nobody sets runs on from where the wall clock once stood. Where it stood makes the era: whoever finds the wall
//! clock elsewhere begins another, and budgets refill by time, so that one has other books.

/// Who is off by so much counts anew. Clocks that are only slewed take both along.
const MOST_NS: u64 = 1_000_000_000;

/// What a worker does that has looked at the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It goes on as before.
    Keep,
    /// It counts from where another has begun to.
    Join(u64),
    /// It begins an era, if nobody is faster.
    Begin(u64),
}

/// Chooses by what this worker has counted from so far, what is in shared data, and both clocks. An era is what has to be added to
/// the clock that nobody sets; it wraps.
pub(crate) const fn choose(own: Option<u64>, shared: Option<u64>, wall_ns: u64, monotonic_ns: u64) -> Choice {
    match (own, shared) {
        (Some(own), _) if is_right(own, wall_ns, monotonic_ns) => Choice::Keep,
        (_, Some(shared)) if is_right(shared, wall_ns, monotonic_ns) => Choice::Join(shared),
        _ => Choice::Begin(wall_ns.wrapping_sub(monotonic_ns)),
    }
}

const fn is_right(era: u64, wall_ns: u64, monotonic_ns: u64) -> bool {
    monotonic_ns.wrapping_add(era).abs_diff(wall_ns) <= MOST_NS
}

/// What the names of a plugin's books in an era begin with. Other resources have other books too.
pub(crate) fn books(plugin: &str, resources: &[String], era: u64) -> String {
    let names = resources.join(",");
    format!("tidegate.{plugin}.books.{era:x}.{names}.")
}
