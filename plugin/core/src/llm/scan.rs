//! Numbers in JSON that arrives in pieces, by where they stand, in memory that never grows.
//!
//! Bodies of language models are long and their usage is a few numbers near the root: nothing is kept but the names on the way to
//! where the scanner is. It does not check JSON: of what is none it may find any numbers, and never more than that.

/// Numbers deeper than this are not told.
pub(super) const DEPTH: usize = 3;
/// Longest name that is kept.
const NAME_BYTES: usize = 32;

/// Where a number stands: the names of the members on the way to it.
pub(super) struct Place<'a> {
    names: &'a [Name],
}

impl Place<'_> {
    /// Whether it stands at this path.
    pub(super) fn is(&self, path: &[&str]) -> bool {
        self.names.len() == path.len() && self.names.iter().zip(path).all(|(name, text)| name.is(text))
    }
}

/// The name of a member, if it is short and plain.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Name {
    bytes: [u8; NAME_BYTES],
    len: usize,
    is_odd: bool,
}

impl Name {
    fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.len) {
            Some(slot) => (*slot, self.len) = (byte, self.len + 1),
            None => self.is_odd = true,
        }
    }

    fn is(&self, text: &str) -> bool {
        !self.is_odd && self.bytes.get(..self.len) == Some(text.as_bytes())
    }
}

/// A number on its way.
#[derive(Clone, Copy, Debug)]
struct Number {
    value: u64,
    has_fraction: bool,
    /// Negative, or with an exponent.
    is_odd: bool,
}

/// Reads JSON byte by byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    /// Objects and arrays that are open.
    depth: usize,
    names: [Name; DEPTH],
    /// Which of the outermost are arrays.
    arrays: [bool; DEPTH],
    in_string: bool,
    is_escaped: bool,
    /// The string is a member's name.
    is_name: bool,
    expects_name: bool,
    number: Option<Number>,
}

impl Scanner {
    /// Reads on. Each whole number that is a member of an object, all of whose parents are, is told with its place; of a fraction
    /// what is before the point.
    pub(super) fn read(&mut self, byte: u8, tell: &mut impl FnMut(&Place<'_>, u64)) {
        if self.in_string {
            return self.read_string(byte);
        }
        if self.depth == 0 {
            // Between documents there may be anything, such as the field names of an event stream.
            if byte == b'{' {
                self.open(false);
            }
            return;
        }
        match (byte, &mut self.number) {
            (b'0'..=b'9', Some(number)) if !number.has_fraction => {
                number.value = number.value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
            }
            (b'0'..=b'9', Some(_)) => {}
            (b'.', Some(number)) => number.has_fraction = true,
            (b'e' | b'E' | b'+' | b'-', Some(number)) => number.is_odd = true,
            (b'0'..=b'9' | b'-', None) => {
                let value = if byte == b'-' { 0 } else { u64::from(byte - b'0') };
                self.number = Some(Number { value, has_fraction: false, is_odd: byte == b'-' });
            }
            _ => {
                if let Some(number) = self.number.take().filter(|number| !number.is_odd) {
                    self.tell(number.value, tell);
                }
                self.read_mark(byte);
            }
        }
    }

    fn read_string(&mut self, byte: u8) {
        let name = self.depth.checked_sub(1).and_then(|at| self.names.get_mut(at));
        let name = name.filter(|_| self.is_name);
        match (byte, self.is_escaped, name) {
            (_, true, name) => {
                self.is_escaped = false;
                name.into_iter().for_each(|name| name.is_odd = true);
            }
            (b'\\', false, _) => self.is_escaped = true,
            (b'"', false, _) => self.in_string = false,
            (_, false, Some(name)) => name.push(byte),
            (_, false, None) => {}
        }
    }

    fn read_mark(&mut self, byte: u8) {
        match byte {
            b'"' => {
                (self.in_string, self.is_name) = (true, self.expects_name);
                if let Some(name) = self.depth.checked_sub(1).and_then(|at| self.names.get_mut(at))
                    && self.expects_name
                {
                    *name = Name::default();
                }
            }
            b'{' => self.open(false),
            b'[' => self.open(true),
            b'}' | b']' => {
                self.depth -= 1;
                self.expects_name = false;
            }
            b',' => {
                let array = self.depth.checked_sub(1).and_then(|at| self.arrays.get(at));
                self.expects_name = array == Some(&false);
            }
            b':' => self.expects_name = false,
            _ => {}
        }
    }

    fn open(&mut self, is_array: bool) {
        if let (Some(array), Some(name)) = (self.arrays.get_mut(self.depth), self.names.get_mut(self.depth)) {
            (*array, *name) = (is_array, Name::default());
        }
        self.expects_name = !is_array && self.depth < DEPTH;
        self.depth += 1;
    }

    fn tell(&self, value: u64, tell: &mut impl FnMut(&Place<'_>, u64)) {
        let in_objects = self.arrays.get(..self.depth).is_some_and(|arrays| !arrays.contains(&true));
        if let Some(names) = self.names.get(..self.depth).filter(|_| in_objects && !self.expects_name) {
            tell(&Place { names }, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    /// All numbers of a text, by their path.
    fn numbers(text: &[u8]) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        let mut scanner = Scanner::default();
        for byte in text {
            scanner.read(*byte, &mut |place, value| {
                let text = |name: &Name| match name.is_odd {
                    true => "?".into(),
                    false => String::from_utf8_lossy(&name.bytes[..name.len]).into_owned(),
                };
                let names = place.names.iter().map(text);
                found.push((names.collect::<Vec<_>>().join("."), value));
            });
        }
        found
    }

    fn one(text: &str) -> Vec<(String, u64)> {
        numbers(text.as_bytes())
    }

    #[test]
    fn numbers_are_told_with_their_place() {
        let found = one(r#"{"a":1,"b":{"c": 22 ,"d":{"e":3}, "f":4},"g":5.9}"#);
        let expected = [("a", 1), ("b.c", 22), ("b.d.e", 3), ("b.f", 4), ("g", 5)];
        assert_eq!(found, expected.map(|(path, value)| (path.into(), value)));
    }

    #[test]
    fn what_stands_in_strings_and_arrays_and_too_deep_is_not_told() {
        assert_eq!(
            one(r#"{"text":"\"usage\":{\"n\":7}, {\"m\":8","a":[{"n":9},10],"x":{"y":{"z":{"n":11}}}}"#),
            []
        );
        assert_eq!(one(r#"{"x":{"y":{"z":{"n":11},"k":[1]}},"after":1}"#), [("after".into(), 1)]);
        assert_eq!(
            one(r#"[1,{"n":2}]"#),
            [("n".into(), 2)],
            "documents are objects, whatever is around them"
        );
    }

    #[test]
    fn odd_numbers_and_names_are_not_told() {
        assert_eq!(one(r#"{"a":-1,"b":1e3,"c":true,"d":null,"e":"5"}"#), []);
        assert_eq!(one(r#"{"n":99999999999999999999999}"#), [("n".into(), u64::MAX)]);
        let mut scanner = Scanner::default();
        let mut places = 0;
        for byte in br#"{"n\u0061me":1}"# {
            scanner.read(*byte, &mut |place, _| places += usize::from(place.is(&["name"])));
        }
        assert_eq!(places, 0);
    }

    /// JSON with numbers in many places.
    fn documents() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<u32>().prop_map(Into::into),
            any::<bool>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a-z]{1,4}|[\\PC]{1,4}", inner, 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn expected(value: &serde_json::Value, path: &mut Vec<String>, found: &mut Vec<(String, u64)>) {
        match value {
            serde_json::Value::Number(number) if !path.is_empty() && path.len() <= DEPTH => {
                found.push((path.join("."), number.as_u64().unwrap()));
            }
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    path.push(name.clone());
                    expected(member, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn numbers_are_those_that_a_parser_finds(document in documents()) {
            let text = serde_json::to_string(&document).unwrap();
            let mut wanted = Vec::new();
            if document.is_object() {
                expected(&document, &mut Vec::new(), &mut wanted);
                // Names that are escaped in the text are not matched: only the others are compared.
                let plain = |(path, _): &(String, u64)| path.chars().all(|c| c.is_ascii_lowercase() || c == '.');
                let found: Vec<_> = one(&text).into_iter().filter(plain).collect();
                prop_assert_eq!(found, wanted.into_iter().filter(plain).collect::<Vec<_>>());
            }
        }

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            numbers(&bytes);
        }
    }
}
