//! Size: files that can be read in one sitting. Clippy measures functions; here nobody gets out of that unseen.

use super::{
    exemptions::Exemption,
    rust::{self, Token},
    tree::Tree,
    violation::Violation,
};

const CODE_LINES: usize = 400;
const TEST_LINES: usize = 800;
/// The lint that measures functions, and the group that it is in.
const FUNCTION_LINTS: [&str; 2] = ["too_many_lines", "pedantic"];

/// A size, its limit, and the words for it.
struct Measure<'t> {
    path: &'t str,
    line: usize,
    size: usize,
    limit: usize,
    unit: &'static str,
    cure: &'static str,
}

/// Files that are too long, and exemptions that are no longer needed as they are.
pub(crate) fn check_files(tree: &Tree, list: &[Exemption]) -> Vec<Violation> {
    let measures = tree.ending(".rs").map(|(path, text)| {
        let (size, limit, unit) = if tree.is_test(path) {
            (text.lines().count(), TEST_LINES, "lines of tests")
        } else {
            (lines_before_tests(text), CODE_LINES, "lines before its tests")
        };
        Measure { path, line: 1, size, limit, unit, cure: "split it by idea" }
    });
    judge(measures, list)
}

/// Functions that are excused from clippy's measure where nobody agreed to it.
pub(crate) fn check_functions(tree: &Tree, list: &[Exemption]) -> Vec<Violation> {
    let measures = tree.ending(".rs").map(|(path, text)| {
        let code = rust::code(text);
        let found: Vec<Token<'_>> =
            rust::tokens(&code).into_iter().filter(|token| FUNCTION_LINTS.contains(&token.text)).collect();
        let line = found.first().map_or(1, |token| token.line);
        let (unit, cure) = ("excuse(s) from `too_many_lines`", "make the function shorter");
        Measure { path, line, size: found.len(), limit: 0, unit, cure }
    });
    judge(measures, list)
}

/// An exemption excuses exactly what is there: less must be written down, so that nothing grows back.
fn judge<'t>(measures: impl Iterator<Item = Measure<'t>>, list: &[Exemption]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut unused: Vec<&Exemption> = list.iter().collect();
    for Measure { path, line, size, limit, unit, cure } in measures {
        unused.retain(|entry| entry.path != path);
        let mut tell = |message| found.push(Violation::new(path, line, message));
        match list.iter().find(|entry| entry.path == path) {
            None if size > limit => tell(format!("{size} {unit}, at most {limit}: {cure}")),
            None => {}
            Some(entry) if size > entry.size => {
                let Exemption { size: before, since, .. } = entry;
                tell(format!("{size} {unit}, {before} when it was exempted on {since}: {cure}"));
            }
            Some(_) if size <= limit => {
                tell(format!("{size} {unit}: take it off the list in tidy/exemptions.rs"))
            }
            Some(entry) if size < entry.size => {
                tell(format!("only {size} {unit} now: lower its entry in tidy/exemptions.rs to {size}"));
            }
            Some(_) => {}
        }
    }
    found.extend(unused.iter().map(|entry| {
        Violation::new(entry.path, 1, "there is no such file: take it off the list in tidy/exemptions.rs")
    }));
    found
}

/// The lines before the first test module that is written in the file itself.
fn lines_before_tests(text: &str) -> usize {
    let code = rust::code(text);
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let opens_module = |from: usize| {
        let item = lines.iter().skip(from).find(|line| !line.starts_with('#'));
        item.is_some_and(|item| item.ends_with('{') && item.split(' ').any(|word| word == "mod"))
    };
    let tests = lines.iter().enumerate().find(|(at, line)| **line == "#[cfg(test)]" && opens_module(at + 1));
    tests.map_or(lines.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    const LISTED: &[Exemption] = &[Exemption { path: "c/src/a.rs", size: 500, since: "2000-01-01" }];

    fn files(path: &str, lines: usize, list: &[Exemption]) -> Vec<String> {
        let tree = Tree::of(&[("c/Cargo.toml", ""), (path, &"x();\n".repeat(lines))]);
        printed(&check_files(&tree, list))
    }

    #[test]
    fn a_file_has_its_limit() {
        assert!(files("c/src/a.rs", 400, &[]).is_empty());
        assert_eq!(
            files("c/src/a.rs", 401, &[]),
            ["c/src/a.rs:1: 401 lines before its tests, at most 400: split it by idea"]
        );
        assert!(files("c/tests/a.rs", 800, &[]).is_empty());
        assert_eq!(files("c/src/a/tests.rs", 801, &[]).len(), 1);
    }

    #[test]
    fn an_exemption_excuses_what_is_there_and_nothing_else() {
        assert!(files("c/src/a.rs", 500, LISTED).is_empty());
        assert!(files("c/src/a.rs", 501, LISTED)[0].contains("500 when it was exempted on 2000-01-01"));
        assert!(
            files("c/src/a.rs", 499, LISTED)[0].ends_with("lower its entry in tidy/exemptions.rs to 499")
        );
        assert!(files("c/src/a.rs", 400, LISTED)[0].ends_with("take it off the list in tidy/exemptions.rs"));
        assert!(files("c/src/b.rs", 1, LISTED)[0].starts_with("c/src/a.rs:1: there is no such file"));
    }

    #[test]
    fn only_tests_within_the_file_are_not_counted() {
        assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\n#[rustfmt::skip]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_before_tests("a\n#[cfg(test)]\nfn f() {\n}\nb\n#[cfg(test)]\nmod tests;\n"), 7);
    }

    #[test]
    fn nobody_excuses_a_long_function_unseen() {
        let allowed = "fn a() {}\n#[expect(clippy::too_many_lines, reason = \"b\")]\nfn c() {}\n";
        let tree = Tree::of(&[("a.rs", allowed), ("b.rs", "// too_many_lines\n")]);
        let told = printed(&check_functions(&tree, &[]));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("a.rs:2: 1 excuse(s) from"));
        let list = [Exemption { path: "a.rs", size: 1, since: "2000-01-01" }];
        assert!(check_functions(&tree, &list).is_empty());
    }
}
