//! Headers as a proxy hands them to a plugin: all of a message in one buffer, read where they lie.
//!
//! The layout is that of the proxy-wasm ABI (v0.2.1, "serialized maps"): the number of pairs, the lengths of each name and value,
//! all as 32-bit little-endian numbers, then names and values, each with a NUL behind it.

use alloc::vec::Vec;

use super::Attributes;

const NUMBER_BYTES: usize = 4;

/// The headers of one message. Bytes that are no such buffer are headers up to where they stop making sense.
#[derive(Clone, Debug)]
pub struct HeaderPairs(Vec<u8>);

impl HeaderPairs {
    /// Headers in a buffer of that layout.
    #[must_use]
    pub const fn new(buffer: Vec<u8>) -> Self {
        Self(buffer)
    }

    /// No headers.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let number = |at: usize| {
            let bytes = self.0.get(at..)?.first_chunk::<NUMBER_BYTES>()?;
            usize::try_from(u32::from_le_bytes(*bytes)).ok()
        };
        let count = number(0).unwrap_or(0);
        let mut at = count.saturating_mul(2 * NUMBER_BYTES).saturating_add(NUMBER_BYTES);
        (0..count).map_while(move |index| {
            let lengths = (2 * index + 1) * NUMBER_BYTES;
            let mut text = |length: usize| {
                let text = self.0.get(at..)?.get(..length)?;
                // Behind the end there is nothing, wherever that is.
                at = at.saturating_add(length).saturating_add(1);
                Some(text)
            };
            Some((text(number(lengths)?)?, text(number(lengths + NUMBER_BYTES)?)?))
        })
    }
}

impl Attributes for HeaderPairs {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let is_named = |(header, _): &(&[u8], &[u8])| header.eq_ignore_ascii_case(name.as_bytes());
        self.iter().find(is_named).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buffer(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = (pairs.len() as u32).to_le_bytes().to_vec();
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend((text.len() as u32).to_le_bytes());
        }
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(text);
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn the_first_of_a_name_is_found_whatever_its_case_and_bytes() {
        let pairs: [(&[u8], &[u8]); 5] = [
            (b":path", b"/"),
            (b"", b"nameless"),
            (b"x-key", b""),
            (b"\xff\xfe", b"\xfd"),
            (b"X-KEY", b"late"),
        ];
        let headers = HeaderPairs::new(buffer(&pairs));
        assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(headers.header("x-key"), Some(&b""[..]));
        assert_eq!(headers.header(":path"), Some(&b"/"[..]));
        assert_eq!(headers.header("x-other"), None);
        assert_eq!(HeaderPairs::empty().header("x-key"), None);
    }

    proptest! {
        #[test]
        fn a_broken_buffer_is_read_to_where_it_breaks(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            end in 0_usize..100,
        ) {
            let _ = HeaderPairs::new(bytes).iter().count();
            let pairs: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"bb", b"22"), (b"ccc", b"333")];
            let whole = buffer(&pairs);
            let cut = HeaderPairs::new(whole.get(..end.min(whole.len())).unwrap().to_vec());
            prop_assert!(cut.iter().zip(pairs).all(|(read, pair)| read == pair));
        }
    }
}
