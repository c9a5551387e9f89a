//! Requests in the order in which they came. Names are kept once: 40 bytes a request, however long they are.

mod reader;

use std::collections::HashMap;

use tidegate_core::Class;

/// Requests in order of time.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The requests.
    pub arrivals: Vec<Arrival>,
    /// The keys that they refer to.
    pub keys: Names,
    /// The resources that they refer to.
    pub resources: Names,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it comes, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// What it asks for, in tokens.
    pub cost: u64,
    /// What it turns out to have cost; `cost` is an estimate then.
    pub actual: Option<u64>,
    /// Index of its key.
    pub key: u32,
    /// Index of its resource.
    pub resource: u8,
    /// How the application ranks it.
    pub class: Class,
}

/// Names by index.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<String>,
    indices: HashMap<String, u32>,
}

impl Names {
    /// The index of a name, which is new if need be.
    pub fn index(&mut self, name: &str) -> u32 {
        if let Some(index) = self.indices.get(name) {
            return *index;
        }
        let index = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.indices.insert(name.to_owned(), index);
        index
    }

    /// The index of a name that is known.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u32> {
        self.indices.get(name).copied()
    }

    /// The name with this index; empty when there is none.
    #[must_use]
    pub fn name(&self, index: u32) -> &str {
        self.names.get(index as usize).map_or("", String::as_str)
    }

    /// All names in the order of their indices.
    #[must_use]
    pub fn all(&self) -> &[String] {
        &self.names
    }
}

impl Trace {
    /// Puts the requests in order of time; those of the same instant in order of key.
    pub(crate) fn sort(&mut self) {
        self.arrivals.sort_by_key(|arrival| (arrival.at_ns, arrival.key));
    }
}
