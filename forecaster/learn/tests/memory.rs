//! What a learned key costs in memory: bytes on the heap, by model and by how long it has been known.
//!
//! `cargo test -p tidegate-learn --test memory -- --nocapture` prints the table.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts and passes on")]
#![allow(clippy::unwrap_used, reason = "a failed test should panic")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use tidegate_learn::{Learner, Learning, Used};

/// The system's allocator, counting.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Minutes of a day, and a quarter of an hour ahead: what the forecaster's configuration has unless told otherwise.
const SEASON_STEPS: usize = 1440;
const HORIZON_STEPS: usize = 15;
/// Sums are as large whatever keys there are, so what so many keys more take is counted.
const KEYS: usize = 20;

/// Bytes of a key that has been known for so many steps.
fn bytes_of_a_key(model: &str, steps: u64) -> usize {
    let [few, many] = [1, KEYS + 1].map(|keys| {
        let before = BYTES.load(Ordering::Relaxed);
        let learner = learned(model, steps, keys);
        let bytes = BYTES.load(Ordering::Relaxed) - before;
        drop(learner);
        bytes
    });
    (many - few) / KEYS
}

fn learned(model: &str, steps: u64, keys: usize) -> Learner {
    let model = tidegate_model::find(model).unwrap();
    let mut learner = Learner::new(&Learning { model, season_steps: SEASON_STEPS, max_keys: KEYS + 1 }, 1);
    let names: Vec<String> = (0..keys).map(|number| format!("customer-{number:04}")).collect();
    for step in 0..steps {
        let demand = |number: u64| 50 + (step * 7919 + number * 104_729) % 101;
        let used = names.iter().zip(0..).map(|(key, number)| Used {
            key,
            resource: 0,
            demand: demand(number),
            largest: 1,
        });
        learner.observe(&BTreeMap::new(), step, used);
        // As the forecaster does: what was given away is known of every resource.
        learner.measure(0, Some(0.5 + (step % 10) as f64 / 20.0));
        if step % 720 == 719 {
            // Of every series, the sums too.
            learner.refit(keys + 2);
        }
        learner.predict(step + 1, if step + 1 == steps { HORIZON_STEPS } else { 1 });
    }
    learner
}

#[test]
fn a_learned_key_costs_kilobytes_and_no_more_when_it_is_known_for_longer() {
    // Whatever is set up once is set up by this.
    drop(learned("auto", 100, 2));
    println!("{:<16} {:>9} {:>9} {:>9}  bytes a key", "", "an hour", "a day", "3 days");
    for (name, most) in [("seasonal-naive", 15_000), ("auto", 17_500)] {
        let [hour, day, three_days] = [60, 1500, 4500].map(|steps| bytes_of_a_key(name, steps));
        println!("{name:<16} {hour:>9} {day:>9} {three_days:>9}");
        assert!(three_days <= most, "{name}: {three_days} bytes a key, {most} at most");
        assert!(three_days <= day + day / 20, "{name}: memory is bounded: {day}, then {three_days}");
    }
}
