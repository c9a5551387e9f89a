//! Fuzzing by plain `cargo test`, on stable Rust and without instrumentation.
//!
//! Every target replays its corpus (`corpus/<target>/`), then mutates it and what its own code offers as seeds. Instead of
//! branches, targets note what an input did in words (an error, an outcome); an input that does something
//! new joins the population. The sequence of inputs is a function of a seed, so a failure comes again, and the
//! input that fails is made smaller before it is shown.
//!
//! | variable | meaning |
//! |---|---|
//! | `TIDEGATE_FUZZ_ITERATIONS` | mutations for each target, instead of a few seconds' worth |
//! | `TIDEGATE_FUZZ_SEED` | another sequence |
//! | `TIDEGATE_FUZZ_CORPUS=renew` | the corpus becomes the smallest inputs found for each note; `regression-*` stay |

mod corpus;
mod fuzz;
mod memory;
mod mutate;
mod shrink;
mod witness;

pub use fuzz::{Fuzz, Notes, iterations};
pub use memory::{Counting, peak_of};
pub use witness::Witness;
