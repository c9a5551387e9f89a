//! Discrete-event simulation of how workers and proxies share one budget.
//!
//! `cargo xtask sim` plays named [scenarios](Scenario) on virtual time, gives every way of sharing the very same requests
//! and faults, and measures each against one exact bucket that is asked for every request and never fails. The figures are
//! what the command prints; this page says what they mean and what follows from them.
//!
//! # The world
//!
//! Customers in tiers (a floor of the pool each), some with reservations, send over connections that live for a while, come and go
//! in bursts, and stay with one worker. Workers are those of one proxy, with the broker in shared memory; in the scenarios called
//! `fleet-…` they are proxies and the broker is the forecaster, each message 1 to 100 ms away. Faults are drawn from the seed: workers
//! that die with what they hold, that stand still between clock and decision, that hear of a new step late; books that
//! are lost; a forecaster that is away or comes back without memory; a proxy that is cut off; wall clocks that jump.
//!
//! # What is measured
//!
//! By books of the simulation's own (`audit.rs`): *overshoot*, the most tokens beyond C·t + B in any interval, net of refunds
//! and of charges beyond estimates; *broken*, conforming demand of a reservation that was refused; *inverted*, pool tokens that went to a
//! worse tier within a millisecond in which a better one was refused as much; what was admitted, in parts of the reference; and how
//! often broker cells are read and written. `leased` has goals in every scenario, and the command fails when it misses one.
//!
//! # What follows
//!
//! - A fixed part for each worker strands what the others miss; parts that follow the load strand less, overshoot while workers
//!   hear of each other's parts, and break a third of the guarantees, since a bucket is never whole where its customer is.
//! - Leases from shared books overshoot by nothing, and admit as much as the reference but for what dies with
//!   its holder and what the pool's cap loses while leases are out. At high rates there is one broker call in hundreds of requests; at
//!   limits of some hundreds a second that are exceeded, every admission is one.
//! - Splitting only the reserved buckets' depth among the workers (`leased-split`) breaks as many guarantees as splitting
//!   everything. Whole, in a cell each, they are touched only when the pool is short, and none is broken.
//! - The books need no list of refilling buckets: one sum of deficits that shrinks at the sum of all reserved rates (`asked`) admits what
//!   the reference does, which visits every bucket for every request.
//! - Books that are lost must begin empty. Beginning full (`leased-full`) mints up to a burst each time.
//! - Across a network the forecaster leases tokens too, ahead of need. Moving parts of the rate instead (`shares`) is no better than
//!   fixed parts, since bursts do not move. What a proxy has in hand is what it told last and all it was granted since; without
//!   word it is void, and the proxy lives on a safe part that was set aside in time.
//!
//! # Bounds
//!
//! On the broker's clock admitted(s, t] ≤ C·(t − s) + B. On another clock, with rates apart by ρ and a time ℓ between
//! reading the clock and deciding, it is C·((t − s)·(1 + ρ) + ℓ) + B. A jump by J of a proxy's clock matters only to what that proxy
//! refills itself, its safe part c with burst b: at most min(c·J, b), and a backward jump lets it keep for J what it has in hand.
//! On clocks that do not jump neither happens.

mod audit;
mod counted;
mod fleet;
mod limiter;
mod random;
mod report;
mod run;
mod scenario;
mod traffic;

pub use report::{Row, compare, legend, table};
pub use scenario::Scenario;
