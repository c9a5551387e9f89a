//! Mutations of inputs: bits, bytes, ranges, words of a dictionary, pieces of other inputs.

use tidegate_conformance::Choices;

/// Longest input that mutations make.
const MOST_BYTES: usize = 1 << 16;
/// Bytes at which formats change their mind.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0x81, 0xfe, 0xff, b'"'];
/// The largest number of 64 bits in postcard, and one that is too large.
const NUMBERS: [&[u8]; 4] = [
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x20],
];

/// Changes an input in one to five places. `other` gives pieces, `dictionary` words.
pub(crate) fn mutate(input: &[u8], other: &[u8], dictionary: &[&[u8]], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let changes = if choices.one_in(2) { 1 } else { choices.between(1, 5) };
    for _ in 0..changes {
        change(&mut bytes, other, dictionary, choices);
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dictionary: &[&[u8]], choices: &mut Choices<'_>) {
    let at = choices.below(bytes.len() as u64) as usize;
    let (from, to) = range(bytes.len(), choices);
    match choices.below(16) {
        0 | 1 => set(bytes, at, |byte| byte ^ 1 << choices.below(8)),
        2 => set(bytes, at, |_| EDGES.get(choices.below(8) as usize).copied().unwrap_or_default()),
        3 => set(bytes, at, |byte| byte.wrapping_add(choices.below(9) as u8).wrapping_sub(4)),
        4 => set(bytes, at, |_| choices.below(256) as u8),
        5 => drop(bytes.drain(from..to)),
        6 => bytes.truncate(at),
        7 => {
            let copy = bytes.get(from..to).unwrap_or_default().to_vec();
            insert(bytes, at, &copy);
        }
        8 => {
            let (from, to) = range(other.len(), choices);
            insert(bytes, at, other.get(from..to).unwrap_or_default());
        }
        9 => {
            let (start, end) = range(other.len(), choices);
            bytes.splice(from..to, other.get(start..end).unwrap_or_default().iter().copied());
        }
        // Another digit of the same number, where the format is postcard: what follows is read as before.
        10..14 => set(bytes, at, |byte| byte & 0x80 | choices.below(0x80) as u8),
        14 if !dictionary.is_empty() => {
            let word = dictionary.get(choices.below(dictionary.len() as u64) as usize);
            let word = word.copied().unwrap_or_default();
            // In place of something, or between.
            if choices.one_in(2) {
                bytes.splice(from..to, word.iter().copied());
            } else {
                insert(bytes, at, word);
            }
        }
        _ => {
            let number = NUMBERS.get(choices.below(4) as usize).copied().unwrap_or_default();
            let end = (at + 1).min(bytes.len());
            bytes.splice(at..end, number.iter().copied());
        }
    }
}

/// A range, short more often than long.
fn range(length: usize, choices: &mut Choices<'_>) -> (usize, usize) {
    let from = choices.below(length as u64 + 1) as usize;
    let most = if choices.one_in(4) { length } else { 8 };
    (from, (from + choices.below(most as u64 + 1) as usize).min(length))
}

fn set(bytes: &mut [u8], at: usize, change: impl FnOnce(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = change(*byte);
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_differ_and_are_a_function_of_the_seed() {
        let words: [&[u8]; 1] = [b"word"];
        let run = |seed| -> Vec<Vec<u8>> {
            let mut choices = Choices::seeded(seed);
            (0..500).map(|_| mutate(b"some input", b"another one", &words, &mut choices)).collect()
        };
        let mutated = run(1);
        assert_eq!(mutated, run(1));
        assert_ne!(mutated, run(2));
        let unlike = mutated.iter().filter(|bytes| bytes.as_slice() != b"some input").count();
        assert!(unlike > 450, "{unlike}");
        assert!(mutated.iter().any(|bytes| bytes.windows(4).any(|window| window == b"word")));
    }

    #[test]
    fn nothing_can_be_mutated_too() {
        let mut choices = Choices::seeded(1);
        for _ in 0..500 {
            assert!(mutate(&[], &[], &[], &mut choices).len() < 100);
        }
    }
}
