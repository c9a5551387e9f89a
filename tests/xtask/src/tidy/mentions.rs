//! Dead files of other kinds: each is named by something that uses or explains it.

use super::{
    tree::{Tree, name, parent},
    violation::Violation,
};

/// Files that tools or readers find by themselves.
const KNOWN_NAMES: [&str; 8] = [
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];
const KNOWN_PATHS: [&str; 4] = [".cargo/config.toml", ".ci/run", "ARCHITECTURE.md", "CHANGELOG.md"];
/// Folders in which a tool keeps its own files.
const KNOWN_FOLDERS: [&str; 2] = ["corpus", "proptest-regressions"];

/// Files of no known kind that no other file names.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    tree.files()
        .filter(|(path, _)| !path.ends_with(".rs") && !is_known(path) && !is_mentioned(tree, path))
        .map(|(path, _)| {
            Violation::new(path, 1, "no file mentions this one: delete it, or say where it is used")
        })
        .collect()
}

fn is_known(path: &str) -> bool {
    KNOWN_PATHS.contains(&path)
        || KNOWN_NAMES.contains(&name(path))
        || path.split('/').any(|part| KNOWN_FOLDERS.contains(&part))
}

fn is_mentioned(tree: &Tree, path: &str) -> bool {
    // A name without an extension may be any word: there the folder must be with it.
    let mention = if name(path).contains('.') {
        name(path).to_owned()
    } else {
        format!("{}/{}", name(parent(path)), name(path))
    };
    tree.files().any(|(other, text)| other != path && other != "Cargo.lock" && has_word(text, &mention))
}

/// Whether the text has this, and not only within a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + word.len()..).unwrap_or_default();
        !before.ends_with(of_name) && !after.starts_with(of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    #[test]
    fn unknown_files_need_a_mention() {
        let tree = Tree::of(&[
            ("README.md", "see a/used.json, my-data.csv and the story"),
            ("a/used.json", "{}"),
            ("a/data.csv", "data.csv is only named by itself"),
            ("a/story", ""),
            ("a/proptest-regressions/x.txt", ""),
            ("a/unused.rs", ""),
        ]);
        assert_eq!(
            printed(&check(&tree)),
            ["a/data.csv", "a/story"].map(|path| format!(
                "{path}:1: no file mentions this one: delete it, or say where it is used"
            ))
        );
    }
}
