//! Failing on purpose, under keys that say how. Not in the component that users get.

#![allow(clippy::panic, reason = "a trap is what is wanted")]

use crate::bindings::exports::tidegate::admission::types::{Admission, Decision, Source};

/// Whether a key asks for it.
pub(crate) fn is_meant(key: &[u8]) -> bool {
    key.starts_with(b"crash:")
}

/// Fails in the way that the key says.
pub(crate) fn crash(key: &[u8]) -> Decision {
    match key {
        b"crash:loop" => loop {
            std::hint::black_box(key);
        },
        b"crash:allocate" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
            }
        }
        b"crash:nonsense" => Decision::Admit(Admission {
            tier: 250,
            source: Source::Emergency,
            receipt: Some(u64::MAX),
            granted: u64::MAX,
        }),
        _ => panic!("as the key asks for"),
    }
}
