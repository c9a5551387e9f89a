//! How a table travels: an announcement with the hashes of its chunks, signed once, then the chunks.
//!
//! The signature (Ed25519, RFC 8032) covers the manifest, the manifest covers each chunk (SHA-512/256, FIPS 180-4). So
//! every chunk of at most 64 KiB is verified on its own, no check of a large table ever blocks a request for long, and
//! nothing that the forecaster did not sign is ever put together.

mod pieces;
mod queue;

use alloc::vec::Vec;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512_256};

pub use pieces::{Mixed, PIECE_BYTES, Pieces, piece};
pub use queue::Queue;

use crate::wire::{Envelope, WireError};

/// Size of every chunk but the last.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Largest table that a proxy takes.
pub const MAX_TABLE_BYTES: usize = 64 << 20;
/// Keeps a signature of a manifest from being one of anything else.
const DOMAIN: &[u8] = b"tidegate table manifest 1\0";

/// What a table consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Epoch of the table.
    pub epoch: u64,
    /// Length of the table in bytes.
    pub bytes: u32,
    /// Hash of each chunk.
    pub chunks: Vec<[u8; 32]>,
}

/// A manifest and its signature; the first message of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The encoded [`Manifest`].
    pub manifest: Vec<u8>,
    /// Ed25519 signature of [`signed_bytes`]; empty when the forecaster has no key.
    pub signature: Vec<u8>,
}

/// A part of a table; chunks follow their announcement in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Epoch of the table.
    pub epoch: u64,
    /// Position, from 0.
    pub index: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Why a transfer was refused. The table in force stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The bytes are not what they should be.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A public key is configured and the announcement has no signature.
    #[error("the table is not signed, and a public key is configured")]
    Unsigned,
    /// The signature is not the forecaster's.
    #[error("the signature is not by the configured public key")]
    BadSignature,
    /// The manifest contradicts itself.
    #[error("{chunks} chunks do not make {bytes} bytes")]
    BadManifest {
        /// Number of chunks.
        chunks: usize,
        /// Length of the table.
        bytes: usize,
    },
    /// The table is larger than [`MAX_TABLE_BYTES`].
    #[error("a table of {0} bytes is too large")]
    TooLarge(usize),
    /// A chunk that was not due: no announcement, another epoch, out of order.
    #[error("chunk {index} of epoch {epoch} was not expected")]
    UnexpectedChunk {
        /// Its epoch.
        epoch: u64,
        /// Its position.
        index: u32,
    },
    /// A chunk that is not what the manifest promises.
    #[error("chunk {0} does not have its hash")]
    BadChunk(u32),
}

/// What is to be signed of an encoded manifest.
#[must_use]
pub fn signed_bytes(manifest: &[u8]) -> Vec<u8> {
    [DOMAIN, manifest].concat()
}

/// Takes a table apart for its way. `sign` signs [`signed_bytes`], or returns nothing for no signature.
pub fn split(epoch: u64, table: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> (Announcement, Vec<Chunk>) {
    let chunks: Vec<Chunk> = (0..)
        .zip(table.chunks(CHUNK_BYTES))
        .map(|(index, bytes)| Chunk { epoch, index, bytes: bytes.to_vec() })
        .collect();
    let hashes = chunks.iter().map(|chunk| hash(&chunk.bytes)).collect();
    let bytes = u32::try_from(table.len()).unwrap_or(u32::MAX);
    let manifest = Manifest { epoch, bytes, chunks: hashes }.encode();
    let signature = sign(&signed_bytes(&manifest));
    (Announcement { manifest, signature }, chunks)
}

/// Puts tables together on the receiving side.
#[derive(Debug, Default)]
pub struct Assembly {
    key: Option<VerifyingKey>,
    manifest: Option<Manifest>,
    received: Vec<u8>,
    next: u32,
    /// The transfer was refused: its other chunks are passed over, since one error says enough.
    given_up: bool,
}

impl Assembly {
    /// An assembly that takes tables signed by `key`, or any when there is none.
    #[must_use]
    pub const fn new(key: Option<VerifyingKey>) -> Self {
        Self { key, manifest: None, received: Vec::new(), next: 0, given_up: false }
    }

    /// An assembly that has refused a transfer.
    const fn after_refusal(key: Option<VerifyingKey>) -> Self {
        Self { key, manifest: None, received: Vec::new(), next: 0, given_up: true }
    }

    /// Begins a transfer; one that was under way is given up.
    ///
    /// # Errors
    /// Says what is wrong with the announcement; its chunks will be passed over then.
    pub fn announce(&mut self, announcement: &Announcement) -> Result<(), TransferError> {
        *self = Self::after_refusal(self.key);
        if let Some(key) = &self.key {
            if announcement.signature.is_empty() {
                return Err(TransferError::Unsigned);
            }
            let signature =
                Signature::from_slice(&announcement.signature).map_err(|_| TransferError::BadSignature)?;
            key.verify_strict(&signed_bytes(&announcement.manifest), &signature)
                .map_err(|_| TransferError::BadSignature)?;
        }
        let manifest = Manifest::decode(&announcement.manifest)?;
        let (bytes, chunks) = (manifest.bytes as usize, manifest.chunks.len());
        if bytes > MAX_TABLE_BYTES {
            return Err(TransferError::TooLarge(bytes));
        }
        if bytes == 0 || bytes.div_ceil(CHUNK_BYTES) != chunks {
            return Err(TransferError::BadManifest { chunks, bytes });
        }
        (self.manifest, self.given_up) = (Some(manifest), false);
        // Growing bit by bit would copy all of it again and again.
        self.received.reserve_exact(bytes);
        Ok(())
    }

    /// Length of the table on its way; 0 when there is none.
    #[must_use]
    pub fn expected_bytes(&self) -> usize {
        self.manifest.as_ref().map_or(0, |manifest| manifest.bytes as usize)
    }

    /// Adds the next chunk; returns the table's bytes once all are there.
    ///
    /// # Errors
    /// Says what is wrong with the chunk; the transfer is given up then.
    pub fn add(&mut self, chunk: &Chunk) -> Result<Option<Vec<u8>>, TransferError> {
        if self.given_up {
            return Ok(None);
        }
        let (epoch, index) = (chunk.epoch, chunk.index);
        let expected =
            self.manifest.as_ref().filter(|manifest| manifest.epoch == epoch && self.next == index);
        let Some(manifest) = expected else {
            *self = Self::after_refusal(self.key);
            return Err(TransferError::UnexpectedChunk { epoch, index });
        };
        if manifest.chunks.get(index as usize) != Some(&hash(&chunk.bytes)) {
            *self = Self::after_refusal(self.key);
            return Err(TransferError::BadChunk(index));
        }
        let (bytes, chunks) = (manifest.bytes as usize, manifest.chunks.len());
        self.received.extend_from_slice(&chunk.bytes);
        self.next += 1;
        if (self.next as usize) < chunks {
            return Ok(None);
        }
        let received = core::mem::take(&mut self.received);
        *self = Self::new(self.key);
        if received.len() == bytes {
            Ok(Some(received))
        } else {
            Err(TransferError::BadManifest { chunks, bytes })
        }
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha512_256::digest(bytes).into()
}

crate::wire::message!(Manifest, "manifest", b"TGM");
crate::wire::message!(Announcement, "announcement", b"TGN");
crate::wire::message!(Chunk, "chunk", b"TGC");

#[cfg(test)]
mod tests;
