//! What a step costs per key: learning one value and forecasting fifteen steps.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench without its model measures nothing")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rayon::prelude::*;
use tidegate_model::{Model, Settings, find, refit_is_due};

const HORIZON: usize = 15;
const DAY: usize = 1440;

/// A key's demand per minute: a day's wave, and noise from a fixed sequence.
fn demand(step: u64) -> f64 {
    let wave = (step % DAY as u64) as f64 / DAY as f64 * std::f64::consts::TAU;
    100.0 + 40.0 * wave.sin() + (step.wrapping_mul(2_654_435_761) >> 7 & 31) as f64
}

fn learned(name: &str, settings: &Settings) -> (Box<dyn Model>, u64) {
    let mut model = (find(name).expect("the model is in the registry").build)(settings);
    let steps = 2 * DAY as u64;
    for step in 0..steps {
        model.observe(step, demand(step));
        if refit_is_due(model.observed_steps()) {
            model.refit();
        }
    }
    (model, steps)
}

fn step(criterion: &mut Criterion) {
    let light = Settings::light(DAY, HORIZON);
    let full = Settings { history: 4 * DAY, ..light.clone() };
    for (id, name, settings) in [
        ("light bank", "auto", &light),
        ("full bank", "auto", &full),
        ("seasonal naive", "seasonal-naive", &light),
    ] {
        let (mut model, mut at) = learned(name, settings);
        criterion.bench_function(&format!("{id}: learn and forecast {HORIZON} steps"), |bencher| {
            bencher.iter(|| {
                model.observe(at, demand(at));
                at += 1;
                black_box(model.forecast(at, HORIZON))
            });
        });
    }
}

/// A step of very many keys, on all cores: more memory than any cache.
fn many(criterion: &mut Criterion) {
    const KEYS: usize = 100_000;
    let (model, at) = learned("auto", &Settings::light(DAY, HORIZON));
    let (entry, bytes) = (find("auto").expect("the model is in the registry"), model.snapshot());
    println!("a light bank's snapshot: {} bytes", bytes.len());
    let mut keys: Vec<Box<dyn Model>> =
        (0..KEYS).into_par_iter().map(|_| (entry.restore)(&bytes).expect("a snapshot")).collect();
    let mut at = at;
    let mut group = criterion.benchmark_group("many");
    group.sample_size(10).bench_function(
        format!("{KEYS} light banks: learn and forecast {HORIZON} steps"),
        |bencher| {
            bencher.iter(|| {
                keys.par_iter_mut().for_each(|model| {
                    model.observe(at, demand(at));
                    black_box(model.forecast(at + 1, HORIZON));
                });
                at += 1;
            });
        },
    );
}

criterion_group!(benches, step, many);
criterion_main!(benches);
