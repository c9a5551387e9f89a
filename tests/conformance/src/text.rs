//! Bytes that are shown as text, in full when they are few: keys, tables and reports in the message of a failed test.

use alloc::vec::Vec;
use core::{fmt, ops::Deref};

use serde::{Deserialize, Serialize};

/// Most bytes shown.
const SHOWN: usize = 200;

/// Bytes.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub Vec<u8>);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..SHOWN).unwrap_or(&self.0);
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() { write!(f, "… ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use super::*;

    #[test]
    fn few_bytes_are_shown_in_full_and_many_by_their_number() {
        assert_eq!(format!("{:?}", Bytes(b"acme\xff".to_vec())), "\"acme\\xff\"");
        assert!(format!("{:?}", Bytes(vec![b'a'; 300])).ends_with("aaa\"… (300 bytes)"));
    }
}
