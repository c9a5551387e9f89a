//! The harness: replay, mutate, keep what is new, and make what fails small.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    env,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use anyhow::{Context, Result};
use tidegate_conformance::Choices;

use crate::{corpus::Corpus, mutate::mutate, shrink::shrink};

/// Largest input that a renewed corpus takes.
const MOST_COMMITTED: usize = 2_048;
/// Most inputs that are mutated further.
const POPULATION: usize = 4_096;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What an input did, in words.
#[derive(Debug, Default)]
pub struct Notes(BTreeSet<String>);

impl Notes {
    /// Notes something. Numbers are left out, so that notes stay few.
    pub fn add(&mut self, what: impl Into<String>) {
        let what: String = what.into();
        self.0.insert(what.chars().filter(|letter| !letter.is_ascii_digit()).collect());
    }
}

/// A target.
#[derive(Debug)]
pub struct Fuzz {
    name: &'static str,
    iterations: u64,
    seeds: Vec<Vec<u8>>,
    dictionary: &'static [&'static [u8]],
}

impl Fuzz {
    /// A target with the folder `corpus/<name>`, mutated so many times unless the environment says otherwise.
    #[must_use]
    pub const fn target(name: &'static str, iterations: u64) -> Self {
        Self { name, iterations, seeds: Vec::new(), dictionary: &[] }
    }

    /// Inputs beside the corpus, such as today's form of a message.
    #[must_use]
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.seeds.extend(seeds);
        self
    }

    /// Words that mutations put in.
    #[must_use]
    pub const fn dictionary(mut self, words: &'static [&'static [u8]]) -> Self {
        self.dictionary = words;
        self
    }

    /// Runs `check`, which panics when an input breaks something, on all inputs.
    ///
    /// # Errors
    /// When there is no corpus.
    ///
    /// # Panics
    /// As `check` does, on the smallest input that was found, which is added to the corpus.
    pub fn run(self, check: impl Fn(&[u8], &mut Notes)) -> Result<()> {
        let corpus = Corpus::of(self.name);
        let renew = env::var("TIDEGATE_FUZZ_CORPUS").is_ok_and(|choice| choice == "renew");
        if renew {
            // So that a new target can begin without one.
            corpus.renew(&BTreeSet::new())?;
        }
        let iterations = iterations(self.iterations)?;
        let seed = number("TIDEGATE_FUZZ_SEED", 1)?;
        let mut population = Population::default();
        let committed = corpus.read()?.into_iter().map(|(_, input)| input);
        for input in committed.chain(self.seeds) {
            let notes = attempt(&corpus, &check, &input)?;
            population.take(input, notes, true);
        }
        let mut choices = Choices::seeded(seed);
        for _ in 0..iterations {
            let input = mutate(
                population.any(&mut choices),
                population.any(&mut choices),
                self.dictionary,
                &mut choices,
            );
            let notes = attempt(&corpus, &check, &input)?;
            population.take(input, notes, false);
        }
        println!(
            "{}: {iterations} mutations from seed {seed}, {} notes",
            self.name,
            population.smallest.len()
        );
        if renew { corpus.renew(&population.committable()) } else { Ok(()) }
    }
}

/// How many mutations the environment asks for, else the usual number.
///
/// # Errors
/// When it asks for something else than a number.
pub fn iterations(usual: u64) -> Result<u64> {
    number("TIDEGATE_FUZZ_ITERATIONS", usual)
}

/// Inputs that did something that none did before.
#[derive(Default)]
struct Population {
    inputs: Vec<Vec<u8>>,
    smallest: BTreeMap<String, Vec<u8>>,
}

impl Population {
    fn take(&mut self, input: Vec<u8>, notes: Notes, always: bool) {
        let mut new = always;
        for note in notes.0 {
            match self.smallest.get_mut(&note) {
                Some(smallest) if smallest.len() <= input.len() => {}
                Some(smallest) => *smallest = input.clone(),
                None => {
                    self.smallest.insert(note, input.clone());
                    new = true;
                }
            }
        }
        if new && self.inputs.len() < POPULATION {
            self.inputs.push(input);
        }
    }

    fn any(&self, choices: &mut Choices<'_>) -> &[u8] {
        self.inputs.get(choices.below(self.inputs.len() as u64) as usize).map_or(&[], Vec::as_slice)
    }

    /// The smallest input for each note.
    fn committable(&self) -> BTreeSet<Vec<u8>> {
        self.smallest.values().filter(|input| input.len() <= MOST_COMMITTED).cloned().collect()
    }
}

/// What the check notes of an input; if it panics, it does so here on a smaller input that is kept.
fn attempt(corpus: &Corpus, check: &impl Fn(&[u8], &mut Notes), input: &[u8]) -> Result<Notes> {
    let passes = |input: &[u8]| {
        let mut notes = Notes::default();
        panic::catch_unwind(AssertUnwindSafe(|| check(input, &mut notes))).ok().map(|()| notes)
    };
    if let Some(notes) = quietly(|| passes(input)) {
        return Ok(notes);
    }
    let small = quietly(|| shrink(input, |input| passes(input).is_none()));
    let path = corpus.keep_regression(&small)?;
    eprintln!("an input of {} bytes fails; it is kept as {}", small.len(), path.display());
    let mut notes = Notes::default();
    check(&small, &mut notes);
    Ok(notes)
}

/// Without the messages of panics of this thread, since shrinking causes many.
fn quietly<T>(call: impl FnOnce() -> T) -> T {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = call();
    QUIET.set(false);
    result
}

fn number(variable: &str, usual: u64) -> Result<u64> {
    match env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable}={text}")),
        Err(_) => Ok(usual),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_fails_is_made_small_kept_and_told() {
        let folder = env::temp_dir().join(format!("tidegate-fuzz-{}", std::process::id()));
        let corpus = Corpus::at(folder.clone());
        let check = |input: &[u8], notes: &mut Notes| {
            assert!(!input.contains(&42), "forty-two");
            notes.add(format!("{} bytes", input.len()));
        };
        let notes = attempt(&corpus, &check, &[1, 2, 3]).unwrap();
        assert_eq!(notes.0.into_iter().collect::<Vec<_>>(), [" bytes"]);
        let failed = quietly(|| panic::catch_unwind(|| attempt(&corpus, &check, &[1, 42, 3])));
        assert!(failed.is_err());
        let kept = corpus.read().unwrap();
        assert_eq!(kept.len(), 1);
        assert!(kept[0].0.starts_with("regression-") && kept[0].1 == [42], "{kept:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_population_takes_what_is_new_and_commits_what_is_smallest() {
        let mut population = Population::default();
        let mut take = |input: &[u8], words: &[&str]| {
            let mut notes = Notes::default();
            words.iter().for_each(|word| notes.add(*word));
            population.take(input.to_vec(), notes, false);
        };
        take(b"long", &["a", "b"]);
        take(b"sh", &["a"]);
        take(b"x", &["c"]);
        assert_eq!(population.inputs, [b"long".to_vec(), b"x".to_vec()]);
        let expected = [&b"long"[..], b"sh", b"x"].map(<[u8]>::to_vec);
        assert_eq!(population.committable(), BTreeSet::from(expected));
    }
}
