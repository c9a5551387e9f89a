//! Snapshots: what a model has learned, as bytes that say which version wrote them.

use serde::{Serialize, de::DeserializeOwned};

/// Changes whenever the bytes do.
const VERSION: u8 = 6;
const MAGIC: [u8; 3] = *b"tgm";

/// Why bytes are no snapshot of this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// They are something else, or cut short.
    #[error("these bytes are no snapshot of this model")]
    Malformed,
    /// Another version wrote them.
    #[error("snapshot version {0} is not known")]
    Version(u8),
}

pub(crate) fn write<T: Serialize>(state: &T) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    // Plain data always serialises; without a body the bytes would be refused on reading.
    bytes.extend(postcard::to_allocvec(state).unwrap_or_default());
    bytes
}

pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    let body = bytes.strip_prefix(&MAGIC).ok_or(SnapshotError::Malformed)?;
    match body.split_first() {
        Some((&VERSION, state)) => postcard::from_bytes(state).map_err(|_| SnapshotError::Malformed),
        Some((&version, _)) => Err(SnapshotError::Version(version)),
        None => Err(SnapshotError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_and_other_versions_are_refused() {
        let bytes = write(&(7_u32, 0.5_f32));
        assert_eq!(read::<(u32, f32)>(&bytes), Ok((7, 0.5)));
        assert_eq!(read::<(u32, f32)>(&bytes[..5]), Err(SnapshotError::Malformed));
        assert_eq!(read::<(u32, f32)>(b"tgm"), Err(SnapshotError::Malformed));
        assert_eq!(read::<(u32, f32)>(b"tgm\x63abc"), Err(SnapshotError::Version(0x63)));
    }
}
