//! What a rule found, told as compilers tell it, so that editors can jump there.

use std::fmt;

/// One place that breaks a rule. The order is that of printing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    message: String,
}

impl Violation {
    /// The message says what is wrong and what to do; lines count from one.
    pub(crate) fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// What a rule found, as text: what tests compare.
#[cfg(test)]
pub(crate) fn printed(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_printed_as_path_line_message() {
        assert_eq!(
            Violation::new("a/b.rs", 7, "too long: split it").to_string(),
            "a/b.rs:7: too long: split it"
        );
    }
}
