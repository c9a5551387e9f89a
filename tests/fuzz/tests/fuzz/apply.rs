//! A table that is refused changes nothing: the same decisions as of a twin that never saw it. One that is taken, however odd,
//! conserves tokens.

use anyhow::Result;
use tidegate_conformance::{Bytes, Event, Outcome, Player, Recipe, Script};
use tidegate_fuzz::{Fuzz, Notes, Witness};

/// Scripts in which the table is put.
const SCRIPTS: u8 = 8;
/// Tables of a script after the first that an input may come behind.
const PLACES: u8 = 3;
/// Events after the input.
const AFTERWARDS: usize = 250;
const REQUESTS: u32 = 1_500;

/// The first byte of an input chooses a script, the second a place in it, the rest is the table.
fn twins(input: &[u8], notes: &mut Notes) {
    let [script, place, table @ ..] = input else { return };
    let recipe = Recipe::Seed { seed: u64::from(script % SCRIPTS), requests: REQUESTS };
    let mut events = Script::of(&recipe);
    let (mut one, mut other, mut witness) = (Player::new(), Player::new(), Witness::default());
    let mut left = u32::from(place % PLACES) + 1;
    for event in events.by_ref() {
        witness.play(&mut one, &event);
        other.play(&event);
        left -= u32::from(matches!(event, Event::Apply(_)));
        if left == 0 {
            break;
        }
    }
    let event = Event::Apply(Bytes(table.to_vec()));
    match witness.play(&mut one, &event) {
        Outcome::Applied(Ok(_)) => {
            other.play(&event);
            notes.add("taken");
        }
        Outcome::Applied(Err(error)) => notes.add(error),
        outcome => panic!("{outcome:?} is no outcome of a table"),
    }
    for (at, event) in events.take(AFTERWARDS).chain([Event::Report, Event::Advance]).enumerate() {
        let (outcome, expected) = (witness.play(&mut one, &event), other.play(&event));
        assert_eq!(outcome, expected, "{event:?}, {at} events after the table");
    }
}

/// Each table at the place in its script where it belongs, and at others.
fn seeds() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for script in 0..SCRIPTS {
        let recipe = Recipe::Seed { seed: u64::from(script), requests: REQUESTS };
        let tables = Script::of(&recipe).filter_map(|event| match event {
            Event::Apply(bytes) => Some(bytes.0),
            _ => None,
        });
        for (place, table) in (0..PLACES).zip(tables.skip(1)) {
            inputs.push([&[script, place][..], &table].concat());
        }
    }
    inputs
}

#[test]
fn a_refused_table_changes_nothing_and_a_taken_one_mints_nothing() -> Result<()> {
    Fuzz::target("apply", 600).seeds(seeds()).run(twins)
}
