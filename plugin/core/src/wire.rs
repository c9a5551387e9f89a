//! The envelope of everything that travels as bytes: three magic letters, one format version, then postcard.
//!
//! postcard does not describe itself, so the version decides which type follows; an unknown one is refused, never guessed.

use alloc::vec::Vec;

use serde::{Serialize, de::DeserializeOwned};

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Fewer bytes than the envelope or the value needs.
    #[error("truncated after {0} bytes")]
    Truncated(usize),
    /// The first three bytes name another kind of message.
    #[error("not a {0} message")]
    WrongKind(&'static str),
    /// A format version that this build does not read.
    #[error("format version {found} is not supported (this build reads {supported})")]
    UnknownVersion {
        /// The version in the bytes.
        found: u8,
        /// The version that this build reads.
        supported: u8,
    },
    /// The envelope is right but the value is not.
    #[error("malformed {0} message")]
    Malformed(&'static str),
    /// Bytes are left after the value.
    #[error("{0} bytes left after the message")]
    TrailingBytes(usize),
}

/// What distinguishes one kind of message from another.
pub(crate) struct Envelope {
    pub(crate) name: &'static str,
    pub(crate) magic: [u8; 3],
    pub(crate) version: u8,
}

impl Envelope {
    pub(crate) fn encode<T: Serialize>(&self, value: &T) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&self.magic);
        bytes.push(self.version);
        // Writing to a Vec can only fail for values postcard cannot represent; our types hold none of them.
        postcard::to_extend(value, bytes).unwrap_or_default()
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, WireError> {
        match self.take(bytes, self.open(bytes)?)? {
            (value, []) => Ok(value),
            (_, rest) => Err(WireError::TrailingBytes(rest.len())),
        }
    }

    /// Checks kind and version; returns what follows them.
    pub(crate) fn open<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], WireError> {
        let Some((head, body)) = bytes.split_first_chunk::<4>() else {
            return Err(WireError::Truncated(bytes.len()));
        };
        let [a, b, c, version] = *head;
        if [a, b, c] != self.magic {
            return Err(WireError::WrongKind(self.name));
        }
        if version != self.version {
            return Err(WireError::UnknownVersion { found: version, supported: self.version });
        }
        Ok(body)
    }

    /// Reads one value from `rest`, a part of the message `bytes`; returns what follows it.
    pub(crate) fn take<'a, T: DeserializeOwned>(
        &self,
        bytes: &[u8],
        rest: &'a [u8],
    ) -> Result<(T, &'a [u8]), WireError> {
        match postcard::take_from_bytes::<T>(rest) {
            Ok(read) => Ok(read),
            Err(postcard::Error::DeserializeUnexpectedEnd) => Err(WireError::Truncated(bytes.len())),
            Err(_) => Err(WireError::Malformed(self.name)),
        }
    }
}

/// Gives a message type its `encode` and `decode`.
macro_rules! message {
    ($type:ident, $name:literal, $magic:literal) => {
        impl $type {
            const ENVELOPE: Envelope = Envelope { name: $name, magic: *$magic, version: 1 };

            /// Serialises the message.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                Self::ENVELOPE.encode(self)
            }

            /// Reads the message.
            ///
            /// # Errors
            /// Says what is wrong with the bytes.
            pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
                Self::ENVELOPE.decode(bytes)
            }
        }
    };
}
pub(crate) use message;
