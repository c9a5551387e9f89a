//! Markdown as far as the rules need it: link targets, inline code and code blocks, with their lines.

/// What a piece of Markdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The target of a link or an image.
    Link,
    /// Code within a sentence.
    Inline,
    /// A line of a block of shell commands.
    Shell,
    /// A line of another code block.
    Block,
}

/// One piece. Lines count from one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'t> {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: &'t str,
}

/// Links and code of a text, from top to bottom.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    // The fence that closes the present block, and what the block has.
    let mut block: Option<(&str, Kind)> = None;
    let mut paragraph: Option<(usize, usize)> = None;
    let mut offset = 0;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let (number, start) = (at + 1, offset);
        offset += line.len();
        let bare = line.trim();
        let opened = fence(bare);
        let ends_paragraph = block.is_none() && (opened.is_some() || bare.is_empty());
        if ends_paragraph && let Some((from, first)) = paragraph.take() {
            prose(text.get(from..start).unwrap_or_default(), first, &mut found);
        }
        match (block, opened) {
            (Some((sign, _)), _) if bare.starts_with(sign) && bare.trim_start_matches(sign).is_empty() => {
                block = None
            }
            (Some((_, kind)), _) => found.push(Piece { line: number, kind, text: bare }),
            (None, Some(opened)) => block = Some(opened),
            (None, None) if !bare.is_empty() => paragraph = paragraph.or(Some((start, number))),
            (None, None) => {}
        }
    }
    if let Some((from, first)) = paragraph {
        prose(text.get(from..).unwrap_or_default(), first, &mut found);
    }
    found
}

/// The sign and the kind of the block that a line opens.
fn fence(line: &str) -> Option<(&'static str, Kind)> {
    let sign = ["```", "~~~"].into_iter().find(|sign| line.starts_with(sign))?;
    let language = line.trim_start_matches(sign).split([' ', ',']).next().unwrap_or_default();
    let shell = matches!(language, "sh" | "bash" | "shell" | "console");
    Some((sign, if shell { Kind::Shell } else { Kind::Block }))
}

/// A paragraph, since code and links may go on in the next line.
fn prose<'t>(text: &'t str, first: usize, found: &mut Vec<Piece<'t>>) {
    let mut line = first;
    let mut rest = text;
    while !rest.is_empty() {
        let length = match rest.as_bytes() {
            [b'`', ..] => code_span(rest, line, found),
            [b']', b'(' | b':', ..] => link(rest, line, found),
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        let Some((passed, after)) = rest.split_at_checked(length) else { break };
        line += passed.matches('\n').count();
        rest = after;
    }
}

/// Returns how far it reads: past the code, or past backticks that open none.
fn code_span<'t>(text: &'t str, line: usize, found: &mut Vec<Piece<'t>>) -> usize {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let (sign, inside) = text.split_at(ticks);
    let Some(end) = inside.find(sign) else { return ticks };
    let code = inside.get(..end).unwrap_or_default();
    found.push(Piece { line, kind: Kind::Inline, text: code.trim() });
    ticks + end + ticks
}

/// `](target "title")`, or `]: target` of a reference.
fn link<'t>(text: &'t str, line: usize, found: &mut Vec<Piece<'t>>) -> usize {
    let (_, after) = text.split_at(2);
    let target = match text.strip_prefix("](") {
        Some(inside) => inside.split_once(')').map(|(target, _)| target),
        None => after.lines().next().filter(|line| line.starts_with(' ')),
    };
    let target = target.and_then(|target| target.split_whitespace().next());
    if let Some(target) = target {
        found.push(Piece { line, kind: Kind::Link, text: target.trim_matches(['<', '>']) });
    }
    2
}

#[cfg(test)]
mod tests {
    use super::{Kind::*, *};

    fn found(text: &str) -> Vec<(usize, Kind, &str)> {
        pieces(text).into_iter().map(|piece| (piece.line, piece.kind, piece.text)).collect()
    }

    #[test]
    fn code_and_links_are_found_in_prose() {
        let text = "# `a`\n\nSee [`b c`](d/e.md \"f\"), ![g](<h.png>)\nand `` i ` j ``, `k\nl`; `lonely\n\n[m]: n.md\n`o`";
        assert_eq!(
            found(text),
            [
                (1, Inline, "a"),
                (3, Inline, "b c"),
                (3, Link, "d/e.md"),
                (3, Link, "h.png"),
                (4, Inline, "i ` j"),
                (4, Inline, "k\nl"),
                (7, Link, "n.md"),
                (8, Inline, "o"),
            ]
        );
    }

    #[test]
    fn blocks_are_told_apart() {
        assert_eq!(
            found("```sh\na `b`\n\n```\n```\nc\n```\n~~~text\n```\n~~~\n`d`\n"),
            [(2, Shell, "a `b`"), (3, Shell, ""), (6, Block, "c"), (9, Block, "```"), (11, Inline, "d")]
        );
    }
}
