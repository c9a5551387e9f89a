//! YAML text as a tree that remembers lines.
//!
//! Deserialising straight into structs stops at the first mistake; a tree lets every rule be checked.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use super::Problem;

/// A value and the line it begins on.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and what it has been given.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: u64,
    pub(super) node: Node,
}

/// Reads YAML text; broken syntax and keys given twice are the one problem that can be told then.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let options = serde_saphyr::options! {
        // Half a million customers are legal; the file is the operator's own.
        budget: serde_saphyr::budget! { max_nodes: 20_000_000, max_events: 40_000_000 },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options) {
        Ok(spanned) => Ok(node(spanned)),
        Err(error) => {
            let error = error.without_snippet();
            let line = error.location().map_or(1, |location| location.line());
            Err(Problem { line, key: String::new(), problem: format!("cannot be read as YAML: {error}") })
        }
    }
}

fn node(spanned: Spanned<Value>) -> Node {
    Node { line: spanned.referenced.line(), value: spanned.value }
}

impl Value {
    /// What kind of value it is, for people.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Number(value) => format!("the number {value}"),
            Self::Text(value) => format!("the text `{value}`"),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a section".to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(value) = items.next_element::<Spanned<Value>>()? {
            nodes.push(node(value));
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Value>>()? {
            entries.push(Entry { line: key.referenced.line(), key: key.value, node: node(value) });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_remembers_the_line_of_every_key() {
        let text = "a: 1\nb:\n  c: text\n  '7': [1, 2]\n  d: { e: true,\n    f: 1.5 }\ng:\n";
        let Value::Map(entries) = parse(text).unwrap().value else { panic!("a map was given") };
        let lines = |entries: &[Entry]| -> Vec<(String, u64)> {
            entries.iter().map(|entry| (entry.key.clone(), entry.line)).collect()
        };
        assert_eq!(lines(&entries), [("a".into(), 1), ("b".into(), 2), ("g".into(), 7)]);
        let Value::Map(inner) = &entries[1].node.value else { panic!("b is a map") };
        assert_eq!(lines(inner), [("c".into(), 3), ("7".into(), 4), ("d".into(), 5)]);
        let Value::Map(flow) = &inner[2].node.value else { panic!("d is a map") };
        assert_eq!(lines(flow), [("e".into(), 5), ("f".into(), 6)]);
        assert!(matches!(flow[1].node.value, Value::Number(1.5)));
        assert!(matches!(entries[2].node.value, Value::Null));
    }

    #[test]
    fn a_tree_remembers_the_line_of_every_item_of_a_list() {
        let Value::Map(entries) = parse("a: [x,\n  2]\nb:\n  - w\n  - { c: z }\n").unwrap().value else {
            panic!("a map was given")
        };
        let items = |entry: &Entry| -> Vec<(u64, String)> {
            let Value::List(items) = &entry.node.value else { panic!("{} is a list", entry.key) };
            items.iter().map(|item| (item.line, item.value.kind())).collect()
        };
        assert_eq!(items(&entries[0]), [(1, "the text `x`".into()), (2, "the number 2".into())]);
        assert_eq!(items(&entries[1]), [(4, "the text `w`".into()), (5, "a section".into())]);
    }

    #[test]
    fn broken_syntax_is_told_with_its_line() {
        for text in ["a: 1\nb: [1,\nc: 2\n", "a: 1\nb: 2\na: 3\n"] {
            let problem = parse(text).unwrap_err();
            assert!(problem.line >= 2, "{problem}");
        }
    }
}
