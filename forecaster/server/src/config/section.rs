//! Reading a tree section by section, collecting every problem on the way.

use std::cell::RefCell;

use super::{
    Problem,
    yaml::{Entry, Node, Value},
};

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }

    fn add(&self, line: u64, key: String, problem: &str) {
        self.0.borrow_mut().push(Problem { line, key, problem: problem.to_owned() });
    }
}

/// What a number must be.
pub(super) struct Rule {
    pub(super) holds: fn(f64) -> bool,
    /// What to give, for people.
    pub(super) says: &'static str,
}

/// A map in the file. Whatever of it has not been asked for is unknown.
pub(super) struct Section<'a> {
    path: String,
    line: u64,
    entries: &'a [Entry],
    known: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(node: &'a Node, problems: &'a Problems) -> Self {
        Self::of(String::new(), node.line.max(1), node, problems)
    }

    fn of(path: String, line: u64, node: &'a Node, problems: &'a Problems) -> Self {
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            other => {
                problems.add(line, path.clone(), &format!("is {}; give a section with keys", other.kind()));
                &[]
            }
        };
        Self { path, line, entries, known: RefCell::default(), problems }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Reports a problem of one key of this section.
    pub(super) fn wrong(&self, key: &str, problem: &str) {
        let line = self.entries.iter().find(|entry| entry.key == key).map_or(self.line, |entry| entry.line);
        self.problems.add(line, self.path_of(key), problem);
    }

    /// Reports a problem of one of several things that one key was given, by the line that it is on.
    pub(super) fn wrong_at(&self, line: u64, key: &str, problem: &str) {
        self.problems.add(line, self.path_of(key), problem);
    }

    /// Takes note that a key is read elsewhere.
    pub(super) fn allow(&self, key: &'static str) {
        self.known.borrow_mut().push(key);
    }

    /// Reports a key that must not be there.
    pub(super) fn forbid(&self, key: &'static str, problem: &str) {
        if self.find(key).is_some() {
            self.wrong(key, problem);
        }
    }

    /// Reports a problem of the section as a whole.
    pub(super) fn wrong_here(&self, problem: &str) {
        self.problems.add(self.line, self.path.clone(), problem);
    }

    fn find(&self, key: &'static str) -> Option<&'a Entry> {
        self.known.borrow_mut().push(key);
        self.entries.iter().find(|entry| entry.key == key && !matches!(entry.node.value, Value::Null))
    }

    pub(super) fn number(&self, key: &'static str, rule: &Rule) -> Option<f64> {
        let entry = self.find(key)?;
        match entry.node.value {
            Value::Number(value) if (rule.holds)(value) => Some(value),
            ref other => {
                self.wrong(key, &format!("is {}; {}", other.kind(), rule.says));
                None
            }
        }
    }

    /// A number that must be there; 1 once its absence has been reported.
    pub(super) fn required_number(&self, key: &'static str, rule: &Rule) -> f64 {
        if self.find(key).is_none() {
            self.wrong(key, &format!("is missing; {}", rule.says));
        }
        self.number(key, rule).unwrap_or(1.0)
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let entry = self.find(key)?;
        match entry.node.value {
            Value::Bool(value) => Some(value),
            ref other => {
                self.wrong(key, &format!("is {}; give true or false", other.kind()));
                None
            }
        }
    }

    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        let entry = self.find(key)?;
        match &entry.node.value {
            Value::Text(text) => Some(text),
            other => {
                self.wrong(key, &format!("is {}; give text, in quotes if needed", other.kind()));
                None
            }
        }
    }

    /// A list of texts, each with its line.
    pub(super) fn texts(&self, key: &'static str) -> Vec<(u64, &'a str)> {
        let items: &[Node] = match self.find(key).map(|entry| &entry.node.value) {
            None => &[],
            Some(Value::List(items)) => items,
            Some(other) => {
                self.wrong(key, &format!("is {}; give a list, such as [one, two]", other.kind()));
                &[]
            }
        };
        let text = |item: &'a Node| match &item.value {
            Value::Text(text) => Some((item.line, text.as_str())),
            other => {
                let problem = format!("has {} in it; give text, in quotes if needed", other.kind());
                self.wrong_at(item.line, key, &problem);
                None
            }
        };
        items.iter().filter_map(text).collect()
    }

    /// Text that must not be shown.
    pub(super) fn secret(&self, key: &'static str) -> Option<&'a str> {
        let entry = self.find(key)?;
        match &entry.node.value {
            Value::Text(text) => Some(text),
            _ => {
                self.wrong(key, "is no text; put it in quotes");
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.wrong(key, &format!("`{text}` does not exist; give {}", names.join(" or ")));
        }
        chosen
    }

    /// A section inside this one; an absent one has no keys.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        match self.find(key) {
            Some(entry) => Self::of(self.path_of(key), entry.line, &entry.node, self.problems),
            None => Self {
                path: self.path_of(key),
                line: self.line,
                entries: &[],
                known: RefCell::default(),
                problems: self.problems,
            },
        }
    }

    /// The sections that the file's author named, in the order of the file. No [`Section::finish`] is needed then.
    pub(super) fn named(&self) -> Vec<(&'a str, Section<'a>)> {
        let mut sections = Vec::with_capacity(self.entries.len());
        for entry in self.entries {
            let section = Self::of(self.path_of(&entry.key), entry.line, &entry.node, self.problems);
            sections.push((entry.key.as_str(), section));
        }
        sections
    }

    /// Reports every key that nobody asked for. Called last.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let near =
                known.iter().map(|known| (strsim::damerau_levenshtein(known, &entry.key), known)).min();
            let advice = match near {
                Some((distance, name)) if distance <= 2 => format!("did you mean `{name}`?"),
                _ => "remove it".to_owned(),
            };
            self.wrong(&entry.key, &format!("is unknown; {advice}"));
        }
    }
}

/// Whether a name may stand in metrics and headers.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

/// What [`is_name`] wants, for people.
pub(super) const NAME_ADVICE: &str = "names consist of 1 to 64 letters, digits, `_` and `-`; rename it";
