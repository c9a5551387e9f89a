//! Dead Rust files: the compiler never sees them, so nobody else would say that they are dead.

use std::collections::BTreeSet;

use super::{
    rust,
    tree::{Tree, join, parent},
    violation::Violation,
    workspace::Workspace,
};

/// Rust files that no chain of `mod` connects with a target.
pub(crate) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Violation> {
    let roots = workspace.crates.iter().flat_map(|member| &member.roots);
    let alive = reachable(tree, roots.map(String::as_str));
    tree.ending(".rs")
        .filter(|(path, _)| !alive.contains(*path))
        .map(|(path, _)| {
            let message = "no target reaches this file by `mod` (a path attribute does not count): \
                declare it in its parent, or delete it";
            Violation::new(path, 1, message)
        })
        .collect()
}

fn reachable<'r>(tree: &Tree, roots: impl Iterator<Item = &'r str>) -> BTreeSet<String> {
    // With the folder in which the file's modules are.
    let mut waiting: Vec<(String, String)> =
        roots.map(|root| (root.to_owned(), parent(root).to_owned())).collect();
    let mut alive = BTreeSet::new();
    while let Some((path, folder)) = waiting.pop() {
        let Some(text) = tree.text(&path) else { continue };
        if !alive.insert(path) {
            continue;
        }
        let code = rust::code(text);
        for module in rust::modules(&rust::tokens(&code)).iter().filter(|module| !module.inline) {
            let within = module.within.iter().fold(folder.clone(), |folder, name| join(&folder, name));
            let below = join(&within, module.name);
            waiting.push((format!("{below}.rs"), below.clone()));
            waiting.push((format!("{below}/mod.rs"), below));
        }
    }
    alive
}

#[cfg(test)]
mod tests {
    use super::{
        super::{violation::printed, workspace::Crate},
        *,
    };

    #[test]
    fn modules_are_followed_from_every_root() {
        let tree = Tree::of(&[
            ("c/build.rs", ""),
            ("c/src/lib.rs", "mod a;\nmod inline { mod deep; }\n// mod dead;\n"),
            ("c/src/a.rs", "#[cfg(test)]\nmod tests;\n"),
            ("c/src/a/tests.rs", ""),
            ("c/src/inline/deep.rs", ""),
            ("c/src/dead.rs", "mod a;"),
            ("c/tests/t/main.rs", "mod rig;"),
            ("c/tests/t/rig.rs", ""),
        ]);
        let roots = ["c/build.rs", "c/src/lib.rs", "c/tests/t/main.rs"].map(String::from).to_vec();
        let member = Crate { name: "c".into(), folder: "c".into(), roots, needs: vec![] };
        let told = printed(&check(&tree, &Workspace { crates: vec![member] }));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("c/src/dead.rs:1: no target reaches this file"));
    }
}
