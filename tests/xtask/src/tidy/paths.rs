//! Paths in Markdown: what a page points at exists.

use super::{
    markdown::{self, Kind},
    tree::{Tree, join, parent},
    violation::Violation,
};

/// Links, and paths in code, that lead nowhere.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (page, text) in tree.ending(".md") {
        for piece in markdown::pieces(text) {
            let broken: Vec<&str> = match piece.kind {
                Kind::Link => Some(piece.text)
                    .filter(|target| !link_leads_somewhere(tree, page, target))
                    .into_iter()
                    .collect(),
                Kind::Inline => {
                    Some(piece.text).filter(|code| !is_there(tree, page, code)).into_iter().collect()
                }
                Kind::Shell => {
                    piece.text.split_whitespace().filter(|word| !is_there(tree, page, word)).collect()
                }
                Kind::Block => Vec::new(),
            };
            found.extend(broken.into_iter().map(|path| {
                Violation::new(
                    page,
                    piece.line,
                    format!("`{path}` is not in the repository: correct the path"),
                )
            }));
        }
    }
    found
}

fn link_leads_somewhere(tree: &Tree, page: &str, target: &str) -> bool {
    let path = target.split('#').next().unwrap_or_default();
    let elsewhere = target.contains(':') || path.is_empty();
    elsewhere || resolve(parent(page), path).is_some_and(|path| path.is_empty() || tree.has(&path))
}

/// True for everything that does not look like a path of the repository.
fn is_there(tree: &Tree, page: &str, code: &str) -> bool {
    let written = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    // Behind a source file there may be a line number.
    let path = code.split(':').next().unwrap_or_default().trim_end_matches('/');
    let of_page = join(parent(page), path);
    if path.is_empty() || !path.chars().all(written) || path.split('/').any(is_placeholder) {
        return true;
    }
    if path.ends_with(".rs") {
        // Sources are often named without the folders that the sentence is about.
        let end = format!("/{path}");
        return tree.has(path) || tree.files().any(|(file, _)| file.ends_with(&end));
    }
    // `target` is never a folder of the repository, so what is generated there passes.
    let Some((top, _)) = path.split_once('/') else { return true };
    !is_top_folder(tree, top) || tree.has(path) || tree.has(&of_page)
}

fn is_top_folder(tree: &Tree, name: &str) -> bool {
    !matches!(name, "" | "." | "..") && tree.has(name)
}

/// `NAME` in `examples/NAME/README.md`, or nothing: what starts at the root of a machine or a server is not ours.
fn is_placeholder(part: &str) -> bool {
    part.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// A path relative to a folder, from the root; none if it leaves the repository.
fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    fn broken(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("README.md", ""),
            ("core/src/plan.rs", ""),
            ("examples/a/b.yaml", ""),
            ("examples/a/README.md", text),
        ]);
        printed(&check(&tree)).into_iter().map(|told| told.split('`').nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn links_are_relative_to_their_page() {
        let good = "[a](b.yaml) [b](../../README.md#top) [c](#here) [d](https://x.y/z) [e](..) [f](../..)";
        assert_eq!(broken(good), [""; 0]);
        assert_eq!(broken("[a](c.yaml) [b](README) [c](../../../x)"), ["c.yaml", "README", "../../../x"]);
    }

    #[test]
    fn paths_in_code_are_from_the_root() {
        let good = "`core/src/plan.rs:12` `plan.rs` `src/plan.rs` `core/src/` `examples/a/b.yaml` `target/x/y.wasm` \
            `application/json` `examples/NAME/README.md` `/v1/plan` `core/*/x` `examples/a b`";
        assert_eq!(broken(good), [""; 0]);
        assert_eq!(
            broken("`core/src/gone.rs` `gone.rs` `examples/b`"),
            ["core/src/gone.rs", "gone.rs", "examples/b"]
        );
    }

    #[test]
    fn shell_commands_name_files_that_exist() {
        assert_eq!(
            broken("```sh\nrun --config examples/a/c.yaml examples/a/b.yaml\n```\n"),
            ["examples/a/c.yaml"]
        );
        assert_eq!(broken("```\ncore/gone.rs\n```\n"), [""; 0]);
    }
}
