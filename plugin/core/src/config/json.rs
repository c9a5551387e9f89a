//! Reading JSON by hand where serde's derive would stop at the first problem: each value knows its line and key.
//!
//! serde_json does the parsing; raw values are slices of the text, so their place in it tells the line.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Shell;

/// Largest whole number accepted, in tokens.
const MAX_WHOLE: u64 = 1 << 40;
/// Largest rate accepted, in tokens per second.
const MAX_PER_S: f64 = 1e9;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the configuration, from 1.
    pub line: usize,
    /// The key, such as `resources.requests.cost`; empty for the whole.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    pub(super) fn new(line: usize, key: &str, message: &str) -> Self {
        Self { line, key: key.to_owned(), message: message.to_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "line {}: {}", self.line, self.message)
        } else {
            write!(f, "line {}, {}: {}", self.line, self.key, self.message)
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'t> {
    raw: &'t str,
    key: String,
}

impl Node<'_> {
    pub(super) fn is_object(&self) -> bool {
        self.raw.starts_with('{')
    }
}

/// The members of an object that have not been taken yet.
#[derive(Debug)]
pub(super) struct Object<'t> {
    node: Node<'t>,
    members: Vec<(String, Node<'t>)>,
    allowed: Vec<&'static str>,
}

impl<'t> Object<'t> {
    /// The member `name`, which is allowed here.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Node<'t>> {
        self.allowed.push(name);
        let position = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.remove(position).1)
    }

    /// The member `name`, which has to be here.
    pub(super) fn required(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<Node<'t>> {
        let member = self.take(name);
        if member.is_none() {
            reader.problem(&self.node, &format!("{name} is missing"));
        }
        member
    }

    /// Whatever was not taken is a problem. True when nothing was left.
    pub(super) fn finish(self, reader: &mut Reader<'_>) -> bool {
        let allowed = self.allowed();
        for (_, node) in &self.members {
            reader.problem(node, &format!("no such key; allowed here: {allowed}"));
        }
        self.members.is_empty()
    }

    /// The members that may stand here, as far as they were asked for.
    pub(super) fn allowed(&self) -> String {
        self.allowed.join(", ")
    }

    pub(super) fn into_members(self) -> Vec<(String, Node<'t>)> {
        self.members
    }
}

/// Reads values and collects problems.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    text: &'t str,
    /// What the shell is able to do.
    pub(super) shell: Shell,
    problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    pub(super) const fn new(text: &'t str, shell: Shell) -> Self {
        Self { text, shell, problems: Vec::new() }
    }

    /// The whole text as one value; `None` when it is not JSON.
    pub(super) fn root(&mut self) -> Option<Node<'t>> {
        match serde_json::from_str::<&RawValue>(self.text) {
            Ok(raw) => Some(Node { raw: raw.get(), key: String::new() }),
            Err(error) => {
                self.problems.push(Problem::new(error.line(), "", &format!("not JSON: {error}")));
                None
            }
        }
    }

    /// The value, unless there were problems.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Vec<Problem>> {
        self.problems.sort_by_key(|problem| problem.line);
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }

    pub(super) fn problem(&mut self, node: &Node<'_>, message: &str) {
        let offset = (node.raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        self.problems.push(Problem::new(line, &node.key, message));
    }

    pub(super) fn object(&mut self, node: &Node<'t>) -> Option<Object<'t>> {
        let Members(list) = self.value(node, "an object")?;
        let mut members: Vec<(String, Node<'t>)> = Vec::with_capacity(list.len());
        for (name, raw) in list {
            let key = if node.key.is_empty() { name.clone() } else { format!("{}.{name}", node.key) };
            let member = Node { raw: raw.get(), key };
            if members.iter().any(|(earlier, _)| *earlier == name) {
                self.problem(&member, "appears twice");
            } else {
                members.push((name, member));
            }
        }
        Some(Object { node: node.clone(), members, allowed: Vec::new() })
    }

    pub(super) fn array(&mut self, node: &Node<'t>) -> Vec<Node<'t>> {
        let list: Vec<&RawValue> = self.value(node, "an array").unwrap_or_default();
        let item = |(position, raw): (usize, &'t RawValue)| Node {
            raw: raw.get(),
            key: format!("{}[{position}]", node.key),
        };
        list.into_iter().enumerate().map(item).collect()
    }

    pub(super) fn text(&mut self, node: &Node<'t>) -> Option<String> {
        let text: String = self.value(node, "a text")?;
        if text.is_empty() {
            self.problem(node, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// What stands here needs a shell that is a proxy.
    pub(super) fn proxy_only(&mut self, node: &Node<'t>) {
        if !self.shell.is_proxy {
            self.problem(node, "is for the plugin in Envoy; leave it out here");
        }
    }

    /// The name of a header, in lower case.
    pub(super) fn header(&mut self, node: &Node<'t>) -> Option<String> {
        let name = self.text(node)?;
        self.header_name(node, &name)
    }

    /// `name` as that of a header, in lower case.
    pub(super) fn header_name(&mut self, node: &Node<'t>, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !name.is_empty() && name.bytes().all(token) {
            return Some(name);
        }
        self.problem(node, "is not the name of a header");
        None
    }

    pub(super) fn flag(&mut self, node: &Node<'t>) -> Option<bool> {
        self.value(node, "true or false")
    }

    /// A whole number from `least` up.
    pub(super) fn whole(&mut self, node: &Node<'t>, least: u64) -> Option<u64> {
        let expected = format!("a whole number from {least} to {MAX_WHOLE}");
        let number: u64 = self.value(node, &expected)?;
        if (least..=MAX_WHOLE).contains(&number) {
            return Some(number);
        }
        self.problem(node, &format!("must be {expected}"));
        None
    }

    /// A number above zero.
    pub(super) fn positive(&mut self, node: &Node<'t>) -> Option<f64> {
        let number: f64 = self.value(node, "a number")?;
        if number > 0.0 && number <= MAX_PER_S {
            return Some(number);
        }
        self.problem(node, &format!("must be above 0 and at most {MAX_PER_S}"));
        None
    }

    /// A part of something, in thousandths.
    pub(super) fn permille(&mut self, node: &Node<'t>) -> Option<u16> {
        let number: f64 = self.value(node, "a number")?;
        if number > 0.0 && number <= 1.0 {
            return Some(libm::round(number * 1_000.0).max(1.0) as u16);
        }
        self.problem(node, "must be above 0 and at most 1");
        None
    }

    pub(super) fn one_of<T: Copy>(&mut self, node: &Node<'t>, choices: &[(&str, T)]) -> Option<T> {
        let text: String = self.value(node, "a text")?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.problem(node, &format!("must be one of {}", names.join(", ")));
        }
        found
    }

    fn value<T: Deserialize<'t>>(&mut self, node: &Node<'t>, expected: &str) -> Option<T> {
        let value = serde_json::from_str(node.raw).ok();
        if value.is_none() {
            self.problem(node, &format!("must be {expected}"));
        }
        value
    }
}

/// The members of an object in their order, duplicates included.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
