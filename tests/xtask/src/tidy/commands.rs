//! Commands in Markdown: what a page tells to type exists.

use super::{
    markdown::{self, Kind},
    rust,
    tree::{Tree, line_where},
    violation::Violation,
};

/// Where the forecaster's subcommands are: the variants of `enum Command`.
const CLI: &str = "forecaster/server/src/cli.rs";
/// What a command may come after, in one line of a shell.
const BEFORE_COMMAND: [&str; 6] = ["$", "|", "&&", "||", ";", "sudo"];

/// Subcommands that neither `cargo xtask` nor `tidegate` has.
pub(crate) fn check(tree: &Tree, own: &[String]) -> Vec<Violation> {
    let source = tree.text(CLI).unwrap_or_default();
    let forecaster = variants(source);
    if forecaster.is_empty() {
        let message =
            "no `enum Command` with the forecaster's subcommands: tell tidy/commands.rs where it is now";
        return vec![Violation::new(CLI, line_where(source, |line| line.contains("Subcommand")), message)];
    }
    let mut found = Vec::new();
    for (page, text) in tree.ending(".md") {
        for piece in markdown::pieces(text).iter().filter(|piece| piece.kind != Kind::Link) {
            let words: Vec<&str> = piece.text.split([' ', '\n']).filter(|word| !word.is_empty()).collect();
            let diagram = piece.kind == Kind::Block;
            let unknown = unknown(&words, &["cargo", "xtask"], own)
                .or_else(|| if diagram { None } else { unknown_of_tidegate(&words, &forecaster) });
            if let Some(command) = unknown {
                found.push(Violation::new(
                    page,
                    piece.line,
                    format!("there is no `{command}`: name one that exists"),
                ));
            }
        }
    }
    found
}

/// The first subcommand after these words that is none.
fn unknown(words: &[&str], program: &[&str], known: &[String]) -> Option<String> {
    words
        .windows(program.len() + 1)
        .filter_map(|window| window.split_last())
        .find(|(word, before)| ends_as(before, program) && is_unknown(word, known))
        .map(|(word, _)| format!("{} {}", program.join(" "), bare(word)))
}

/// `tidegate X`, `path/tidegate X` and `cargo run … tidegate … -- X`, where a shell would run it.
fn unknown_of_tidegate(words: &[&str], known: &[String]) -> Option<String> {
    let at = words.iter().position(|word| word.rsplit('/').next() == Some("tidegate"))?;
    let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or("$");
    let after = words.get(at + 1..).unwrap_or_default();
    let subcommand = if matches!(before, "--bin" | "-p" | "--package") {
        after.iter().skip_while(|word| **word != "--").nth(1)
    } else if BEFORE_COMMAND.contains(&before) || before.contains('=') || before.ends_with(';') {
        after.first()
    } else {
        None
    }?;
    is_unknown(subcommand, known).then(|| format!("tidegate {}", bare(subcommand)))
}

/// `$(cargo` and `"$(cargo` end as `cargo`.
fn ends_as(words: &[&str], program: &[&str]) -> bool {
    words.iter().zip(program).all(|(word, name)| {
        word.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with(['(', '"', '\'']))
    })
}

/// Options and placeholders such as `X` or `<command>` are no subcommands.
fn is_unknown(word: &str, known: &[String]) -> bool {
    let word = bare(word);
    let is_name = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    is_name && word != "help" && !known.iter().any(|name| name == word)
}

/// Without what a sentence or a shell puts behind it.
fn bare(word: &str) -> &str {
    word.trim_end_matches([')', '"', '\'', ',', ';', '.', ':'])
}

/// The variants of `enum Command`, as clap spells them.
fn variants(source: &str) -> Vec<String> {
    let code = rust::code(source);
    let tokens = rust::tokens(&code);
    let mut words = tokens.iter().map(|token| token.text).skip_while(|word| *word != "enum");
    let mut found = Vec::new();
    if (words.next(), words.next(), words.next()) != (Some("enum"), Some("Command"), Some("{")) {
        return found;
    }
    let mut depth = 1_usize;
    for word in words {
        match word {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            name if depth == 1 && name.starts_with(char::is_alphabetic) => found.push(kebab(name)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "struct Cli;\n#[derive(Subcommand)]\npub(crate) enum Command {\n    /// Run: it.\n\
        #[command(name = \"x\")]\n    Serve { config: PathBuf },\n    DryRun(Args),\n    Key,\n}\nfn f() {}\n";

    fn told(text: &str) -> Vec<String> {
        let tree = Tree::of(&[(CLI, SOURCE), ("README.md", text)]);
        let own = ["test", "ci"].map(String::from);
        check(&tree, &own)
            .iter()
            .map(|found| found.to_string().split('`').nth(1).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn subcommands_are_the_variants() {
        assert_eq!(variants(SOURCE), ["serve", "dry-run", "key"]);
    }

    #[test]
    fn commands_that_exist_pass() {
        let text = "`cargo xtask test -- x`, `cargo xtask X`, `cargo xtask`, `tidegate serve`, `tidegate --help`\n\n\
            ```sh\nA=b cargo run --bin tidegate -- serve --config c   # runs it\n\"$(cargo xtask ci)\" -c d\n\
            curl x | grep tidegate y\ntarget/debug/tidegate key\n```\n\n```\ntidegate is a diagram here\n```\n";
        assert_eq!(told(text), [""; 0]);
    }

    #[test]
    fn commands_that_do_not_exist_are_told() {
        assert_eq!(told("`cargo xtask\nbench`"), ["cargo xtask bench"]);
        assert_eq!(told("```\nx \"$(cargo xtask bench)\"\n```"), ["cargo xtask bench"]);
        assert_eq!(told("`tidegate plan`"), ["tidegate plan"]);
        assert_eq!(told("```sh\nA=b tidegate plan; x\n```"), ["tidegate plan"]);
        assert_eq!(told("```sh\ncargo run -q --bin tidegate -- plan\n```"), ["tidegate plan"]);
    }

    #[test]
    fn a_moved_command_line_is_told() {
        assert_eq!(check(&Tree::of(&[("README.md", "")]), &[]).len(), 1);
    }
}
