//! The clock that the workers have in common, and the books of its eras.

use crate::era::{Choice, books, choose};

const SECOND_NS: u64 = 1_000_000_000;
/// The machine has been up for a while, and the wall clock is right.
const UP_NS: u64 = 500 * SECOND_NS;
const WALL_NS: u64 = 1_767_225_600 * SECOND_NS;

fn resources() -> [String; 2] {
    ["requests", "tokens"].map(str::to_owned)
}

#[test]
fn the_first_worker_begins_an_era_and_the_others_join_it() {
    let Choice::Begin(era) = choose(None, None, WALL_NS, UP_NS) else { panic!("nobody has begun") };
    assert_eq!(UP_NS + era, WALL_NS);
    let later = 3 * SECOND_NS;
    // A wall clock that is slewed is off by a little.
    let other = choose(None, Some(era), WALL_NS + later + SECOND_NS / 2, UP_NS + later);
    assert_eq!(other, Choice::Join(era));
    assert_eq!(choose(Some(era), Some(era), WALL_NS + later, UP_NS + later), Choice::Keep);
}

#[test]
fn a_clock_that_is_set_begins_another_era_with_other_books() {
    let before = WALL_NS - UP_NS;
    for step in [-3_600, -2, 2, 86_400] {
        let wall = WALL_NS.saturating_add_signed(step * SECOND_NS as i64);
        let Choice::Begin(after) = choose(Some(before), Some(before), wall, UP_NS) else {
            panic!("{step} s are no reason to count anew")
        };
        assert_eq!(UP_NS + after, wall);
        assert_ne!(books("p", &resources(), before), books("p", &resources(), after), "{step}");
        // Everybody else finds what the first has left.
        assert_eq!(choose(Some(before), Some(after), wall, UP_NS), Choice::Join(after));
        assert_eq!(books("p", &resources(), after), books("p", &resources(), after));
    }
}

#[test]
fn plugins_and_resources_have_books_of_their_own() {
    let [one, other] = resources();
    let all = [
        books("p", &resources(), 1),
        books("q", &resources(), 1),
        books("p", std::slice::from_ref(&one), 1),
        books("p", &[other, one], 1),
        books("p", &resources(), 17),
    ];
    for (at, name) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == name), Some(at), "{name}");
    }
}
