//! What engines are asked and what they answer: digests that must be equal, and outcomes where they are not.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{event::Event, generator::Script, outcome::Outcome, player::Player};

/// Outcomes per block.
const BLOCK: u64 = 256;

/// Where a script comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recipe {
    /// A seed and the number of requests.
    Seed {
        /// The seed.
        seed: u64,
        /// Requests, not counting those that come again.
        requests: u32,
    },
    /// Choices until the bytes are used up.
    Bytes(Vec<u8>),
}

/// What an engine is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The script.
    pub recipe: Recipe,
    /// The first event to be told in full.
    pub from: u64,
    /// The first event after those.
    pub to: u64,
}

/// What an engine answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Number of events.
    pub events: u64,
    /// Number of requests that were decided.
    pub decisions: u64,
    /// SHA-256 of the events: different scripts have nothing to compare.
    pub script: [u8; 32],
    /// SHA-256 of the outcomes.
    pub outcomes: [u8; 32],
    /// The first bytes of the digest of all outcomes up to each 256th: the first that differs tells where.
    pub blocks: Vec<[u8; 4]>,
    /// The events that were to be told, and what came of them.
    pub told: Vec<(Event, Outcome)>,
}

impl Question {
    /// A question for digests alone.
    #[must_use]
    pub const fn of(recipe: Recipe) -> Self {
        Self { recipe, from: 0, to: 0 }
    }

    /// The same script, and the block in which two answers to it first differ, in full. None when they are alike.
    #[must_use]
    pub fn about_difference(&self, one: &Answer, other: &Answer) -> Option<Self> {
        if one == other {
            return None;
        }
        let alike = one.blocks.iter().zip(&other.blocks).take_while(|(one, other)| one == other).count();
        let from = alike as u64 * BLOCK;
        Some(Self { recipe: self.recipe.clone(), from, to: from + BLOCK })
    }

    /// The question as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// When the bytes are none, as those of an engine that did not understand the question.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}

/// Answers the bytes of a [`Question`] with those of an [`Answer`]; with none if they are no question.
#[must_use]
pub fn answer(question: &[u8]) -> Vec<u8> {
    let Ok(question) = postcard::from_bytes::<Question>(question) else { return Vec::new() };
    postcard::to_allocvec(&play(&question)).unwrap_or_default()
}

/// Plays a script.
#[must_use]
pub fn play(question: &Question) -> Answer {
    let mut player = Player::new();
    play_with(question, |event| player.play(event))
}

/// Plays a script to `player`, which makes events happen to an allocator of its own.
pub fn play_with(question: &Question, mut player: impl FnMut(&Event) -> Outcome) -> Answer {
    let mut answer = Answer {
        events: 0,
        decisions: 0,
        script: [0; 32],
        outcomes: [0; 32],
        blocks: Vec::new(),
        told: Vec::new(),
    };
    let (mut script, mut outcomes) = (Sha256::new(), Sha256::new());
    for event in Script::of(&question.recipe) {
        let outcome = player(&event);
        script.update(bytes(&event));
        outcomes.update(bytes(&outcome));
        if (question.from..question.to).contains(&answer.events) {
            answer.told.push((event, outcome.clone()));
        }
        answer.events += 1;
        answer.decisions += u64::from(matches!(
            outcome,
            Outcome::Admitted { .. } | Outcome::Waiting { .. } | Outcome::Refused { .. }
        ));
        if answer.events.is_multiple_of(BLOCK) {
            let [a, b, c, d, ..] = digest(&outcomes);
            answer.blocks.push([a, b, c, d]);
        }
    }
    (answer.script, answer.outcomes) = (digest(&script), digest(&outcomes));
    answer
}

fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).unwrap_or_default()
}

fn digest(sum: &Sha256) -> [u8; 32] {
    sum.clone().finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_with(blocks: &[[u8; 4]], last: u8) -> Answer {
        let (script, blocks) = ([0; 32], blocks.to_vec());
        Answer { events: 700, decisions: 600, script, outcomes: [last; 32], blocks, told: Vec::new() }
    }

    #[test]
    fn a_difference_is_looked_for_in_the_first_block_that_has_one() {
        let question = Question::of(Recipe::Seed { seed: 1, requests: 600 });
        let one = answer_with(&[[1; 4], [2; 4]], 3);
        assert_eq!(question.about_difference(&one, &one), None);
        for (other, from) in [
            (answer_with(&[[9; 4], [9; 4]], 9), 0),
            (answer_with(&[[1; 4], [9; 4]], 9), BLOCK),
            (answer_with(&[[1; 4], [2; 4]], 9), 2 * BLOCK),
        ] {
            let detail = question.about_difference(&one, &other).unwrap();
            assert_eq!((detail.from, detail.to), (from, from + BLOCK));
            assert_eq!(detail.recipe, question.recipe);
        }
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        assert!(answer(&[]).is_empty() && answer(&[0xff; 9]).is_empty());
        let question = Question::of(Recipe::Seed { seed: 1, requests: 10 });
        assert_eq!(Answer::decode(&answer(&question.encode())), Ok(play(&question)));
    }
}
