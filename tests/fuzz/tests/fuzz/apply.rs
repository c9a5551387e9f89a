//! A table that is refused changes nothing: the same decisions as of a twin that never saw it, whether it came in one
//! piece or in many. One that is taken, however odd, conserves tokens, and in many pieces it ends as in one.

use anyhow::Result;
use tidegate_conformance::{Bytes, Event, Outcome, Player, Recipe, Script, Stretch};
use tidegate_fuzz::{Fuzz, Notes, Witness};

/// Scripts in which the table is put.
const SCRIPTS: u8 = 8;
/// Tables of a script after the first that an input may come behind.
const PLACES: u8 = 3;
/// Events after the input.
const AFTERWARDS: usize = 250;
const REQUESTS: u32 = 1_500;

/// A player that gets the table, watched, and one that it is compared with.
#[derive(Clone)]
struct Twins {
    one: Player,
    other: Player,
    witness: Witness,
}

impl Twins {
    /// Both at the same place of a script.
    fn at(events: &mut Script<'_>, place: u8) -> Self {
        let mut twins = Self { one: Player::new(), other: Player::new(), witness: Witness::default() };
        let mut left = u32::from(place) + 1;
        for event in events {
            twins.play(&event);
            left -= u32::from(matches!(event, Event::Apply(_)));
            if left == 0 {
                break;
            }
        }
        // Whatever is half done, and time that only one of them would be told.
        for event in
            [Event::Install(u32::MAX), Event::Install(u32::MAX), Event::Install(u32::MAX), Event::Advance]
        {
            twins.play(&event);
        }
        twins
    }

    /// The same happens to both, and comes to the same.
    fn play(&mut self, event: &Event) {
        let outcome = self.witness.play(&mut self.one, event);
        assert_eq!(outcome, self.other.play(event), "{event:?}");
    }

    /// The one alone installs a table in pieces of so many keys, with `between` after each.
    fn install(&mut self, table: &[u8], keys: u32, mut between: impl FnMut(&mut Self)) -> Result<(), String> {
        match self.witness.play(&mut self.one, &Event::Stage(Bytes(table.to_vec()))) {
            Outcome::Staged(staged) => staged?,
            outcome => panic!("{outcome:?} is no outcome of staging"),
        }
        loop {
            between(self);
            match self.witness.play(&mut self.one, &Event::Install(keys)) {
                Outcome::Installing(Stretch::Working) => {}
                Outcome::Installing(Stretch::Installed(_)) => return Ok(()),
                Outcome::Installing(Stretch::Refused(error)) => return Err(error),
                outcome => panic!("{outcome:?} is no outcome of installing"),
            }
        }
    }
}

/// What is neither a table nor the end of an allocator.
const fn is_life(event: &Event) -> bool {
    !matches!(
        event,
        Event::Apply(_)
            | Event::Stage(_)
            | Event::Install(_)
            | Event::Share { .. }
            | Event::SetUp(_)
            | Event::Succeed(_)
    )
}

/// The first byte of an input chooses a script, the second a place in it, the third how many keys a piece has, if it is not
/// one piece; the rest is the table.
fn put(input: &[u8], notes: &mut Notes) {
    let [script, place, keys, table @ ..] = input else { return };
    let recipe = Recipe::Seed { seed: u64::from(script % SCRIPTS), requests: REQUESTS };
    let mut events = Script::of(&recipe);
    let mut twins = Twins::at(&mut events, place % PLACES);
    let apply = Event::Apply(Bytes(table.to_vec()));
    let mut life = events.filter(is_life as fn(&Event) -> bool);
    match twins.one.clone().play(&apply) {
        Outcome::Applied(Ok(_)) => {
            // Life goes on between the pieces: nothing is minted.
            let (mut busy, mut meanwhile) = (twins.clone(), life.clone());
            let keys = u32::from(*keys).max(1);
            let installed = busy.install(table, keys, |busy| {
                for event in meanwhile.by_ref().take(4) {
                    busy.witness.play(&mut busy.one, &event);
                }
            });
            assert_eq!(installed, Ok(()), "a table that is taken in one piece is taken in many");
            for event in meanwhile.take(AFTERWARDS) {
                busy.witness.play(&mut busy.one, &event);
            }
            // Nothing comes between: in pieces and as a whole are the same.
            assert_eq!(twins.install(table, keys, |_| {}), Ok(()));
            twins.other.play(&apply);
            notes.add("taken");
        }
        Outcome::Applied(Err(error)) => {
            match keys {
                0 => assert_eq!(
                    twins.witness.play(&mut twins.one, &apply),
                    Outcome::Applied(Err(error.clone()))
                ),
                // Both live on as if there were no table on its way.
                keys => {
                    let between =
                        |twins: &mut Twins| life.by_ref().take(3).for_each(|event| twins.play(&event));
                    let refused = twins.install(table, u32::from(*keys), between);
                    assert_eq!(refused, Err(error.clone()), "refused for another reason");
                }
            }
            notes.add(error);
        }
        outcome => panic!("{outcome:?} is no outcome of a table"),
    }
    for event in life.take(AFTERWARDS).chain([Event::Report, Event::Advance]) {
        twins.play(&event);
    }
}

/// Each table at the place in its script where it belongs, and at others; whole and in pieces.
fn seeds() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for script in 0..SCRIPTS {
        let recipe = Recipe::Seed { seed: u64::from(script), requests: REQUESTS };
        let tables = Script::of(&recipe).filter_map(|event| match event {
            Event::Apply(bytes) => Some(bytes.0),
            _ => None,
        });
        for (place, table) in (0..PLACES).zip(tables.skip(1)) {
            inputs.push([&[script, place, place * 3][..], &table].concat());
        }
    }
    inputs
}

#[test]
fn a_refused_table_changes_nothing_and_a_taken_one_mints_nothing_whole_or_in_pieces() -> Result<()> {
    Fuzz::target("apply", 600).seeds(seeds()).run(put)
}
