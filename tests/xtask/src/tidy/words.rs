//! The repository speaks of itself: no paths of the machine that it was written on, nothing about who or what
//! wrote it, no hosts that only a package manager needs to know.

use super::{tree::Tree, violation::Violation};

/// In parts, so that this file has none of them itself.
const WORDS: [&str; 11] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "lab"),
    concat!("clau", "de"),
    concat!("sub", "agent"),
    concat!("this ", "session"),
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("npm", "js"),
    concat!("debian", ".org"),
    concat!("static.rust", "-lang.org"),
];

/// Every line that has one of the words, in whatever case.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| *path != "Cargo.lock") {
        for (at, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            for word in WORDS.iter().filter(|word| lower.contains(**word)) {
                let message =
                    format!("`{word}` is about the workplace, not about the project: say it without");
                found.push(Violation::new(path, at + 1, message));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    #[test]
    fn every_word_is_told_in_any_case_but_not_in_the_lock_file() {
        for word in WORDS {
            let text = format!("first\nsee {}x\n", word.to_uppercase());
            let tree = Tree::of(&[("Cargo.lock", &text), ("a.md", &text)]);
            let told = printed(&check(&tree));
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with("a.md:2: "), "{told:?}");
        }
    }

    #[test]
    fn other_words_are_free() {
        assert!(check(&Tree::of(&[("a.md", "it works at the root of the session\n")])).is_empty());
    }
}
