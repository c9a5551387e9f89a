//! `lib.rs` is a crate's table of contents: documentation, attributes, modules and what is re-exported by name.

use super::{
    rust::{self, Token},
    tree::{Tree, name},
    violation::Violation,
};

/// Macros whose expansion has to be in a crate's root, or is nobody's to read.
const MACROS: [&str; 2] = ["proxy_wasm::main!", "tonic::include_proto!"];

/// What else is in a `lib.rs`.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.ending("/lib.rs").filter(|(path, _)| name(path) == "lib.rs") {
        let code = rust::code(text);
        for (line, message) in faults(&rust::tokens(&code)) {
            found.push(Violation::new(path, line, message));
        }
    }
    found
}

fn faults(tokens: &[Token<'_>]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for item in items(tokens) {
        let words: Vec<&str> = item.iter().map(|token| token.text).collect();
        let line = item.first().map_or(1, |token| token.line);
        match without_visibility(&words) {
            ["mod", _, "{", ..] => {
                let inside = item.iter().position(|token| token.text == "{").map_or(0, |at| at + 1);
                let body = item.get(inside..item.len().saturating_sub(1)).unwrap_or_default();
                found.extend(faults(body));
            }
            ["use", .., "*", ";"] => {
                found.push((line, "`use` of everything in lib.rs: re-export by name".to_owned()));
            }
            ["mod" | "use", ..] | ["extern", "crate", ..] => {}
            words if MACROS.iter().any(|allowed| words.concat().starts_with(allowed)) => {}
            words => {
                let start = words.iter().take(3).copied().collect::<Vec<_>>().join(" ");
                found.push((line, format!("`{start} …` in lib.rs: move it into a module and re-export it")));
            }
        }
    }
    found
}

/// Items without their attributes: up to a semicolon or, but for `use`, a closing brace outside of everything else.
fn items<'t, 'c>(tokens: &'t [Token<'c>]) -> Vec<&'t [Token<'c>]> {
    let mut found = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        let item = tokens.get(start..=at).unwrap_or_default();
        let first = item.first().map_or("", |token| token.text);
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = match token.text {
            "]" if first == "#" => depth == 0,
            ";" => depth == 0,
            "}" => depth == 0 && !is_use(item),
            _ => false,
        };
        if ends {
            start = at + 1;
            // A macro's braces may be followed by a semicolon that is no item.
            if first != "#" && first != ";" {
                found.push(item);
            }
        }
    }
    found
}

fn is_use(item: &[Token<'_>]) -> bool {
    let start: Vec<&str> = item.iter().take(5).map(|token| token.text).collect();
    without_visibility(&start).first() == Some(&"use")
}

fn without_visibility<'w, 'c>(words: &'w [&'c str]) -> &'w [&'c str] {
    match words {
        ["pub", "(", _, ")", rest @ ..] | ["pub", rest @ ..] => rest,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    fn found(text: &str) -> Vec<String> {
        printed(&check(&Tree::of(&[("c/src/lib.rs", text)])))
    }

    #[test]
    fn a_table_of_contents_passes() {
        let text = "//! Doc.\n#![no_std]\nextern crate alloc;\n#[cfg(test)]\nmod a;\npub mod b;\n\
            pub use a::{A, b::{C, D}};\npub(crate) use b::E;\n\
            #[allow(missing_docs, reason = \"generated\")]\nmod c {\n    use d::{E};\n    tonic::include_proto!(\"c\");\n}\n\
            proxy_wasm::main! {{\n    run(|_| { a() });\n}}\n";
        assert_eq!(found(text), [""; 0]);
    }

    #[test]
    fn code_is_told_with_its_line() {
        assert_eq!(
            found("//! Doc.\nmod a {\n    fn f() { g(1); }\n}\n#[inline]\npub const fn h() {}\nmacro!();\n"),
            [
                "c/src/lib.rs:3: `fn f ( …` in lib.rs: move it into a module and re-export it",
                "c/src/lib.rs:6: `const fn h …` in lib.rs: move it into a module and re-export it",
                "c/src/lib.rs:7: `macro ! ( …` in lib.rs: move it into a module and re-export it",
            ]
        );
    }

    #[test]
    fn re_exports_have_names() {
        assert_eq!(
            found("pub use a::*;\n"),
            ["c/src/lib.rs:1: `use` of everything in lib.rs: re-export by name"]
        );
    }
}
