//! Rust source as far as the rules need it: the code without comments and literals, cut into tokens.
//!
//! No parser: the compiler has already said that the text is Rust.

/// A word or one sign of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'c> {
    pub(crate) line: usize,
    pub(crate) text: &'c str,
}

/// A `mod` item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Module<'c> {
    pub(crate) line: usize,
    pub(crate) name: &'c str,
    /// The names of the inline modules around it.
    pub(crate) within: Vec<&'c str>,
    /// Whether its body follows.
    pub(crate) inline: bool,
}

/// The text with comments and literals blanked; every line stays where it is.
pub(crate) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = out.ends_with(is_word);
        match rest.split_at_checked(blank_length(rest, after_word)) {
            Some((blank, after)) if !blank.is_empty() => {
                out.extend(blank.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                rest = after;
            }
            _ => {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

/// The tokens of what [`code`] returned.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let Some((text, after)) = rest.split_at_checked(length) else { break };
            found.push(Token { line: at + 1, text });
            rest = after.trim_start();
        }
    }
    found
}

/// The `mod` items, those inside inline modules included.
pub(crate) fn modules<'c>(tokens: &[Token<'c>]) -> Vec<Module<'c>> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut around: Vec<(&str, usize)> = Vec::new();
    let next = tokens.iter().skip(1).map(Some).chain([None]);
    let second = tokens.iter().skip(2).map(Some).chain([None, None]);
    for ((token, next), second) in tokens.iter().zip(next).zip(second) {
        match (token.text, next, second.map(|sign| sign.text)) {
            ("mod", Some(name), Some(sign @ (";" | "{"))) if name.text.starts_with(is_word) => {
                let within = around.iter().map(|(name, _)| *name).collect();
                let inline = sign == "{";
                found.push(Module { line: token.line, name: name.text, within, inline });
                if inline {
                    around.push((name.text, depth));
                }
            }
            ("{", ..) => depth += 1,
            ("}", ..) => {
                depth = depth.saturating_sub(1);
                around.retain(|(_, opened)| *opened < depth);
            }
            _ => {}
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How many bytes of comment or literal the text begins with.
fn blank_length(text: &str, after_word: bool) -> usize {
    let to = |end: Option<usize>| end.unwrap_or(text.len());
    match text.as_bytes() {
        [b'/', b'/', ..] => to(text.find('\n')),
        [b'/', b'*', ..] => block_comment_length(text),
        [b'r', ..] | [b'b' | b'c', b'r', ..] if !after_word => raw_string_length(text),
        [b'"', ..] => quoted_length(text, '"'),
        [b'\'', b'\\', ..] => quoted_length(text, '\''),
        // Otherwise it is a lifetime.
        [b'\'', ..] if text.chars().nth(2) == Some('\'') => to(text.char_indices().nth(3).map(|(at, _)| at)),
        _ => 0,
    }
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Zero for what is no raw string, such as a raw identifier.
fn raw_string_length(text: &str) -> usize {
    let Some((prefix, _)) = text.split_once('"') else { return 0 };
    let hashes = prefix.trim_start_matches(['b', 'c']).strip_prefix('r').unwrap_or("-");
    if !hashes.bytes().all(|byte| byte == b'#') {
        return 0;
    }
    let inside = prefix.len() + 1;
    let end = format!("\"{hashes}");
    let found = text.get(inside..).and_then(|rest| rest.find(&end));
    found.map_or(text.len(), |at| inside + at + end.len())
}

fn block_comment_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut rest = text;
    while !rest.is_empty() {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        rest = rest.get(step..).unwrap_or_default();
        if depth == 0 {
            break;
        }
    }
    text.len() - rest.len()
}

#[cfg(test)]
mod tests;
