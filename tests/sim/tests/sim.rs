//! The simulation itself: that it is deterministic, that its books find what is wrong, and that leases reach their goals in the
//! scenarios that are quick to play. `cargo xtask sim` plays all of them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use tidegate_sim::{Row, Scenario, compare};

/// Plays a scenario for a while.
fn play(name: &str, seconds: f64, seeds: &[u64]) -> Vec<Row> {
    let scenario = Scenario::all().into_iter().find(|scenario| scenario.name == name);
    compare(&scenario.unwrap_or_else(|| panic!("there is no scenario {name}")).lasting(seconds), seeds)
}

fn row<'r>(rows: &'r [Row], limiter: &str) -> &'r Row {
    rows.iter().find(|row| row.limiter == limiter).unwrap()
}

#[test]
fn a_seed_gives_the_same_figures_and_another_one_others() {
    let once = play("low-20", 60.0, &[7]);
    assert_eq!(once, play("low-20", 60.0, &[7]));
    assert_ne!(once, play("low-20", 60.0, &[8]));
}

#[test]
fn all_limiters_are_offered_the_same() {
    for rows in [play("low-5", 60.0, &[1]), play("fleet-churn", 15.0, &[1])] {
        assert!(rows[0].offered > 0.0);
        assert!(rows.iter().all(|row| row.offered == rows[0].offered));
    }
}

#[test]
fn the_reference_is_exact() {
    for name in ["low-5", "tightest", "settled", "fleet-clocks"] {
        let rows = play(name, 20.0, &[1, 2]);
        let central = row(&rows, "central");
        assert_eq!(
            (central.of_central, central.overshoot, central.broken, central.inverted),
            (1.0, 0.0, 0.0, 0.0)
        );
    }
}

#[test]
fn the_books_find_what_is_minted() {
    assert!(
        row(&play("resets", 12.0, &[1]), "leased-full").overshoot > 500.0,
        "a burst of 1,000 at each loss"
    );
    assert!(
        row(&play("limit-100", 60.0, &[1]), "by-load").overshoot > 1.0,
        "parts overlap while they change"
    );
    assert!(row(&play("fleet-clocks", 120.0, &[1]), "shares-wall").overshoot > 100.0, "a clock jumps");
}

#[test]
fn the_books_find_broken_guarantees_and_inverted_tiers() {
    let rows = play("reserved", 5.0, &[1]);
    assert!(row(&rows, "leased-split").broken > 0.1, "a part of a bucket is not the bucket");
    assert!(row(&rows, "fixed").inverted > 0.01);
}

#[test]
fn leases_reach_their_goals() {
    let quick = [
        ("low-5", 120.0),
        ("tight", 4.0),
        ("tightest", 60.0),
        ("many-workers", 30.0),
        ("moving", 10.0),
        ("crashes", 4.0),
        ("settled", 20.0),
        ("fleet-steady", 120.0),
        ("fleet-partition", 130.0),
    ];
    for (name, seconds) in quick {
        let rows = play(name, seconds, &[1]);
        assert_eq!(row(&rows, "leased").met, Some(true), "{name}: {:?}", row(&rows, "leased"));
    }
}

#[test]
fn allocators_of_a_crew_reach_the_goals_of_leases() {
    let quick = [
        ("low-5", 120.0),
        ("tight", 4.0),
        ("tightest", 60.0),
        ("many-workers", 30.0),
        ("moving", 10.0),
        ("crashes", 4.0),
        ("settled", 20.0),
        ("reserved", 10.0),
        ("steps", 10.0),
        ("resets", 12.0),
    ];
    for (name, seconds) in quick {
        let rows = play(name, seconds, &[1]);
        assert_eq!(row(&rows, "crew").met, Some(true), "{name}: {:?}", row(&rows, "crew"));
    }
}

#[test]
fn guarantees_hold_beside_a_flood() {
    let rows = play("reserved", 10.0, &[3]);
    assert_eq!(row(&rows, "leased").broken, 0.0);
    assert_eq!(row(&rows, "leased").met, Some(true));
}
