//! The repository as the rules see it: the files that git tracks, with their texts.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::run;

/// Paths are relative to the root and have forward slashes. Bytes that are no text are replaced.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// What git tracks, read from the working tree; a file that is being deleted is none.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let list = run::capture(Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]))
            .context("tidy looks at the files that git tracks")?;
        let mut files = BTreeMap::new();
        for path in list.split('\0').filter(|path| root.join(path).is_file()) {
            let bytes = fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
            files.insert(path.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(Self { files })
    }

    /// A made-up repository.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| (String::from(*path), String::from(*text))).collect() }
    }

    /// Every path with its text.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files whose path ends so.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| path.ends_with(end))
    }

    /// A file's text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether this is a file, or a folder of files.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.files().any(|(file, _)| is_below(file, path))
    }

    /// Whether a Rust file is there for tests only: `tests.rs`, or below a `tests` or `benches` folder of its crate.
    pub(crate) fn is_test(&self, path: &str) -> bool {
        let within = self.crate_of(path).and_then(|folder| below(path, folder)).unwrap_or(path);
        name(path) == "tests.rs" || parents(within).any(|folder| matches!(name(folder), "tests" | "benches"))
    }

    /// The folder of the nearest manifest at or above a file.
    fn crate_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        parents(path).find(|folder| self.files.contains_key(&join(folder, "Cargo.toml")))
    }
}

/// The last component.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder of a file; the root is empty.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A file's folder, that one's, and so on; without the root.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/'), |(folder, _)| folder.rsplit_once('/'))
        .map(|(folder, _)| folder)
}

/// Both parts with one slash between; the root is empty.
pub(crate) fn join(folder: &str, rest: &str) -> String {
    if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }
}

fn is_below(path: &str, folder: &str) -> bool {
    below(path, folder).is_some()
}

/// The rest of a path below a folder.
fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// The number of the first line that this is true of, or one.
pub(crate) fn line_where(text: &str, test: impl Fn(&str) -> bool) -> usize {
    text.lines().position(test).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_their_place_within_the_crate() {
        let tree = Tree::of(&[("tests/rig/Cargo.toml", ""), ("core/Cargo.toml", ""), ("Cargo.toml", "")]);
        for path in
            ["core/src/tests.rs", "core/src/a/tests/b.rs", "core/benches/c.rs", "tests/rig/tests/d.rs"]
        {
            assert!(tree.is_test(path), "{path}");
        }
        for path in ["core/src/lib.rs", "tests/rig/src/lib.rs", "core/src/tests_of_law.rs"] {
            assert!(!tree.is_test(path), "{path}");
        }
    }

    #[test]
    fn folders_exist_by_their_files() {
        let tree = Tree::of(&[("a/b/c.txt", "")]);
        assert!(tree.has("a/b/c.txt") && tree.has("a/b") && tree.has("a"));
        assert!(!tree.has("a/b/c") && !tree.has("a/x"));
    }
}
