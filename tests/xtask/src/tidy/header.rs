//! Every file says first why it exists.

use super::{tree::Tree, violation::Violation};

/// Rust files, but for tests, that do not begin with a module's documentation.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    tree.ending(".rs")
        .filter(|(path, text)| !tree.is_test(path) && !text.starts_with("//!"))
        .map(|(path, _)| {
            Violation::new(path, 1, "no module documentation: begin with `//!` and why the file exists")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    #[test]
    fn every_file_but_tests_needs_documentation() {
        let tree = Tree::of(&[
            ("c/Cargo.toml", ""),
            ("c/build.rs", "fn main() {}\n"),
            ("c/src/a.rs", "//! Why.\n"),
            ("c/src/a/tests.rs", "use super::*;\n"),
            ("c/src/b.rs", "\n//! Late.\n"),
        ]);
        let told = printed(&check(&tree));
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("c/build.rs:1: no module doc") && told[1].starts_with("c/src/b.rs:1: "));
    }
}
