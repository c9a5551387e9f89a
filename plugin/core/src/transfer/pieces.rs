//! A table in pieces of bounded size, for memory that several workers share and that is read and written value by value.
//!
//! Each piece says of which table it is, so that a reader who meets a writer halfway notices.

use alloc::vec::Vec;

use super::MAX_TABLE_BYTES;

/// Bytes of a table in each piece but the last.
pub const PIECE_BYTES: usize = 256 << 10;
const EPOCH_BYTES: usize = 8;
const LENGTH_BYTES: usize = 4;

/// The pieces are not all of one table, or not where they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pieces of different tables")]
pub struct Mixed;

/// The piece of a table at a position, from 0; `None` after the last.
#[must_use]
pub fn piece(epoch: u64, table: &[u8], position: usize) -> Option<Vec<u8>> {
    let bytes = table.chunks(PIECE_BYTES).nth(position)?;
    let length = u32::try_from(table.len()).ok()?;
    Some([&epoch.to_le_bytes()[..], &length.to_le_bytes(), bytes].concat())
}

/// Puts a table together.
#[derive(Clone, Debug)]
pub struct Pieces {
    epoch: u64,
    length: Option<usize>,
    bytes: Vec<u8>,
}

impl Pieces {
    /// None yet of the table of this epoch.
    #[must_use]
    pub const fn of(epoch: u64) -> Self {
        Self { epoch, length: None, bytes: Vec::new() }
    }

    /// The position of the piece that is to be added next.
    #[must_use]
    pub const fn next(&self) -> usize {
        self.bytes.len() / PIECE_BYTES
    }

    /// Adds the next piece; returns the table once all are there.
    ///
    /// # Errors
    /// When it is not of the same table: it has to be read anew.
    pub fn add(&mut self, piece: &[u8]) -> Result<Option<Vec<u8>>, Mixed> {
        let (epoch, rest) = piece.split_first_chunk::<EPOCH_BYTES>().ok_or(Mixed)?;
        let (length, bytes) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or(Mixed)?;
        let length = u32::from_le_bytes(*length) as usize;
        let is_first = self.length.is_none();
        let is_same = self.length.is_none_or(|known| known == length) && length <= MAX_TABLE_BYTES;
        if u64::from_le_bytes(*epoch) != self.epoch || !is_same {
            return Err(Mixed);
        }
        if bytes.len() != (length - self.bytes.len()).min(PIECE_BYTES) || bytes.is_empty() {
            return Err(Mixed);
        }
        if is_first {
            self.length = Some(length);
            self.bytes.reserve_exact(length);
        }
        self.bytes.extend_from_slice(bytes);
        Ok((self.bytes.len() == length).then(|| core::mem::take(&mut self.bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    fn joined(epoch: u64, read: impl Fn(usize) -> Option<Vec<u8>>) -> Result<Vec<u8>, Mixed> {
        let mut pieces = Pieces::of(epoch);
        loop {
            let piece = read(pieces.next()).ok_or(Mixed)?;
            if let Some(table) = pieces.add(&piece)? {
                return Ok(table);
            }
        }
    }

    #[test]
    fn pieces_are_bounded_and_make_the_table_again() {
        for length in [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 5 * PIECE_BYTES + 7]
        {
            let table = table(length);
            let count = length.div_ceil(PIECE_BYTES);
            assert!((0..count).all(|at| piece(7, &table, at).unwrap().len() <= PIECE_BYTES + 12));
            assert_eq!(piece(7, &table, count), None);
            assert!(joined(7, |at| piece(7, &table, at)).unwrap() == table, "{length}");
        }
    }

    #[test]
    fn a_mix_of_two_writes_is_noticed() {
        let (old, new) = (table(3 * PIECE_BYTES), table(3 * PIECE_BYTES + 1));
        let same = table(3 * PIECE_BYTES);
        for written in 1..3 {
            let mixed = |from: &[u8], epoch| {
                joined(7, |at| if at < written { piece(epoch, from, at) } else { piece(7, &old, at) })
            };
            assert_eq!(mixed(&new, 8), Err(Mixed), "another epoch");
            assert_eq!(mixed(&new, 7), Err(Mixed), "another length");
            assert_eq!(mixed(&same, 7).as_ref(), Ok(&old));
            let late = joined(7, |at| if at < written { piece(7, &old, at) } else { piece(8, &same, at) });
            assert_eq!(late, Err(Mixed));
        }
        assert_eq!(joined(9, |at| piece(7, &old, at)), Err(Mixed), "another than was asked for");
    }

    #[test]
    fn what_is_no_piece_is_refused() {
        let good = piece(7, &table(9), 0).unwrap();
        for cut in 0..good.len() {
            assert_eq!(Pieces::of(7).add(&good[..cut]), Err(Mixed), "{cut}");
        }
        assert_eq!(Pieces::of(7).add(&[&good[..], b"more"].concat()), Err(Mixed));
        let huge = [&7_u64.to_le_bytes()[..], &u32::MAX.to_le_bytes(), &[0; 64]].concat();
        assert_eq!(Pieces::of(7).add(&huge), Err(Mixed));
    }
}
