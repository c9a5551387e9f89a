//! Generated worlds.

use super::*;

/// Rates of forty customers with a daily rhythm over four days, made by code.
pub(crate) fn rates() -> Rates {
    let key = |number: u64| {
        let mut random = Random::new(number, "rates");
        let size = 4000.0 / (1.0 + number as f64).powi(2);
        let phase = random.unit();
        let window = |window: u64| {
            let rhythm = 1.0 + 0.5 * ((window as f64 / 144.0 + phase) * std::f64::consts::TAU).sin();
            size * rhythm * (0.8 + 0.4 * random.unit())
        };
        (format!("customer-{number:02}"), (0..576).map(window).collect())
    };
    Rates { window_s: 600, starts_at_s: 1_767_225_600, keys: (0..40).map(key).collect() }
}

pub(crate) fn generation(seed: u64) -> Generation {
    let model = tidegate_model::find("seasonal-naive").unwrap();
    Generation {
        rate_per_s: 20.0,
        hours: 1,
        history_hours: 26,
        burstiness: 2.0,
        cast: Cast::Fitting,
        scenario: Scenario::Plain,
        seed,
        learning: Learning { model, season_steps: 1440, max_keys: 1000 },
    }
}

#[test]
fn the_same_seed_makes_the_same_world_and_another_seed_another() {
    let make = |seed| generate(&rates(), &generation(seed)).unwrap().0;
    let (first, again, other) = (make(1), make(1), make(2));
    assert_eq!(first.trace.arrivals, again.trace.arrivals);
    assert_eq!(first.history, again.history);
    assert_ne!(first.trace.arrivals, other.trace.arrivals);
}

#[test]
fn the_span_has_the_rate_asked_for_and_the_history_ends_where_it_begins() {
    let (world, _) = generate(&rates(), &generation(3)).unwrap();
    let rate = world.trace.arrivals.len() as f64 / 3600.0;
    assert!((rate - 20.0).abs() < 2.0, "{rate}");
    assert!(world.trace.arrivals.is_sorted_by_key(|arrival| arrival.at_ns));
    let starts_at_ns = world.starts_at_ms * 1_000_000;
    assert!(world.trace.arrivals.iter().all(|arrival| arrival.at_ns >= starts_at_ns));
    assert_eq!(world.history.len(), 26 * 60);
    assert_eq!(world.history.last().unwrap().step + 1, world.starts_at_ms / 60_000);
    let known: u64 = world.history.iter().flat_map(|past| &past.used).map(|(_, _, tokens)| tokens).sum();
    let known_rate = known as f64 / (26.0 * 3600.0);
    assert!((10.0..40.0).contains(&known_rate), "{known_rate}");
}

#[test]
fn casts_are_as_large_as_they_say() {
    let share = |cast| {
        let (world, policy) = generate(&rates(), &Generation { cast, ..generation(4) }).unwrap();
        let upper = |arrival: &&Arrival| {
            usize::from(policy.tier_of(world.trace.keys.name(arrival.key))) < UPPER_TIERS
        };
        world.trace.arrivals.iter().filter(upper).count() as f64 / world.trace.arrivals.len() as f64
    };
    let (fitting, overfull) = (share(Cast::Fitting), share(Cast::Overfull));
    assert!((0.05..0.55).contains(&fitting), "{fitting}");
    assert!(overfull > 0.8, "{overfull}");
}

#[test]
fn scenarios_change_one_customer_and_nobody_else() {
    let count = |scenario| {
        let (world, _) = generate(&rates(), &Generation { scenario, ..generation(5) }).unwrap();
        let mut counts = vec![0_u32; world.trace.keys.all().len()];
        world.trace.arrivals.iter().for_each(|arrival| counts[arrival.key as usize] += 1);
        (counts, world.offender.map(|(key, _)| key as usize))
    };
    let (plain, nobody) = count(Scenario::Plain);
    assert_eq!(nobody, None);
    for scenario in [Scenario::SurgingEqual, Scenario::FloodingBronze] {
        let (changed, offender) = count(scenario);
        let offender = offender.unwrap();
        for (key, (before, after)) in plain.iter().zip(&changed).enumerate() {
            assert_eq!(before == after, key != offender, "{} of {key}", scenario.name());
        }
        assert!(changed[offender] > plain[offender] + 5000);
    }
}

#[test]
fn rates_that_are_too_short_are_told() {
    let told = generate(&rates(), &Generation { history_hours: 200, ..generation(1) }).unwrap_err();
    assert!(told.to_string().contains("the rates cover 96 h; 200 h of history"), "{told}");
}
