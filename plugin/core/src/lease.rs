//! Leases: workers that share one budget, each deciding almost every request from what it holds.
//!
//! | file | idea |
//! |---|---|
//! | `cells` | what is asked of whoever keeps the books: numbered records, replaced if nobody was faster |
//! | `atomic` | cells in the memory of one process |
//! | `terms` | what the plan says about a pool and a bucket |
//! | `pool` | the books of one resource |
//! | `bucket` | one reserved bucket |
//! | `held` | what a worker holds, and when it asks |
//! | `broker` | draws, charges, refunds: rounds of read, change, replace |
//!
//! # What holds
//!
//! *conservation.* The books have T tokens and L leased ones, and T ≤ B − L at any time: what is leased leaves T, and T's
//! cap is lower by it until the lease is given back or void. Unspent leases never exceed L, since a worker stops spending before
//! the broker forgets. So at any instant no more than B is there to be spent, C·t is added in a time t, and
//! admitted(s, t] ≤ C·(t − s) + B, net of refunds and of charges beyond estimates, whatever the workers do and whichever of them die.
//! Nothing else is needed for this: the reserved buckets' cells may be lost, late or wrong.
//!
//! *guarantee.* T ≥ ΣS + P, where S are the levels of reserved buckets and P ≥ 0 is the pool: a draw on a bucket takes the same
//! from both sides, one on the pool leaves P ≥ 0, and in time T gains C while ΣS gains no more than Σg ≤ C. A change of plan
//! raises no S: new depth starts empty and is filled at its own rate. So the tokens of a bucket are there when it holds them, and each
//! bucket is whole for every worker.
//!
//! *priority.* A draw leaves the tier's floor in the pool as the broker knows it at that instant. A lease is spent against
//! the floor as it was when the worker last asked, so others' leases, a quarter of the pool's cap at most and near a floor
//! single requests, may go past it.
//!
//! *time.* All `now` are of one clock that does not jump, the broker's: within a process its monotonic clock. The books
//! never go back; a worker that is late sees no refill, and one that was held up between clock and decision for more than
//! 20 ms may spend what the broker has just forgotten, at most that one request.

mod atomic;
mod broker;
mod bucket;
mod cells;
mod held;
mod pool;
mod terms;

pub use atomic::AtomicCells;
pub use broker::{Ask, Broker, SharedBucket};
pub use cells::{Cells, RECORD_WORDS, Record, Version};
pub use held::Lease;
pub use terms::{Birth, Course, Terms};

#[cfg(test)]
mod tests;
