//! Lines of coloured text that know their width.

use std::{env, sync::OnceLock};

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Band,
}

/// A line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Vec<(Ink, String)>);

impl Line {
    /// A line of one ink.
    pub(crate) fn of(ink: Ink, text: impl Into<String>) -> Self {
        Self(vec![(ink, text.into())])
    }

    /// Adds text.
    pub(crate) fn add(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.0.push((ink, text.into()));
        self
    }

    /// Adds another line.
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Adds blanks up to a width.
    pub(crate) fn padded(self, width: usize) -> Self {
        let blanks = width.saturating_sub(self.width());
        self.add(Ink::Plain, " ".repeat(blanks))
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// As a terminal understands it, cut off at `columns`; what was there before is erased.
    pub(crate) fn render(&self, columns: usize) -> String {
        let (mut left, mut drawn) = (columns, String::new());
        for (ink, text) in &self.0 {
            let cut: String = text.chars().take(left).collect();
            left -= cut.chars().count();
            drawn += &ink.paint(&cut);
        }
        drawn + "\x1b[K"
    }
}

impl Ink {
    fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Band => "36",
        };
        if is_coloured() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Unless the user says no (no-color.org).
fn is_coloured() -> bool {
    static COLOURED: OnceLock<bool> = OnceLock::new();
    *COLOURED.get_or_init(|| env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
}
