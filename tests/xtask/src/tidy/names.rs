//! Names that say nothing draw in everything; and a module's file is found by its name.

use super::{rust, tree::Tree, violation::Violation};

const EMPTY: [&str; 7] = ["common", "helper", "helpers", "manager", "managers", "util", "utils"];

/// Files, folders and modules with a name that could hold anything, and `mod.rs`.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(".rs") {
        if path.ends_with("/mod.rs") {
            found.push(Violation::new(path, 1, "no mod.rs: name the file as its folder, beside it"));
        }
        for part in path.trim_end_matches(".rs").split('/').filter(|part| EMPTY.contains(part)) {
            found.push(Violation::new(path, 1, advice(part)));
        }
        let code = rust::code(text);
        // A module with a file of its own is told there.
        let inline = rust::modules(&rust::tokens(&code)).into_iter().filter(|module| module.inline);
        for module in inline.filter(|module| EMPTY.contains(&module.name)) {
            found.push(Violation::new(path, module.line, advice(module.name)));
        }
    }
    found
}

fn advice(name: &str) -> String {
    format!("`{name}` says nothing: name it after its one idea")
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    #[test]
    fn empty_names_are_told_wherever_they_are() {
        let tree = Tree::of(&[
            ("c/src/utils.rs", ""),
            ("c/tests/common/mod.rs", ""),
            ("c/src/a.rs", "//! d\nmod helpers {\n}\nmod commonplace {}\n"),
        ]);
        assert_eq!(
            printed(&check(&tree)),
            [
                "c/src/a.rs:2: `helpers` says nothing: name it after its one idea",
                "c/src/utils.rs:1: `utils` says nothing: name it after its one idea",
                "c/tests/common/mod.rs:1: no mod.rs: name the file as its folder, beside it",
                "c/tests/common/mod.rs:1: `common` says nothing: name it after its one idea",
            ]
        );
    }
}
