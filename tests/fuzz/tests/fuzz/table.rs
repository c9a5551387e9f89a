//! The bytes of a table: read as what they are, or refused with the reason, in memory of their own size.

use anyhow::Result;
use tidegate_conformance::{Event, Recipe, Script};
use tidegate_core::table::{Table, TableError};
use tidegate_fuzz::{Fuzz, Notes, peak_of};

/// Longest table to begin with.
const MOST_SEED_BYTES: usize = 4_096;
/// What reading may take beside a multiple of the bytes: lists are made in one piece of a megabyte at most.
const SPARE_BYTES: u64 = 8 << 20;

/// Tables as scripts have them, small ones, good and bad.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut tables = Vec::new();
    for seed in 0..6 {
        let script = Recipe::Seed { seed, requests: 1_500 };
        let bytes = Script::of(&script).filter_map(|event| match event {
            Event::Apply(bytes) | Event::Stage(bytes) if bytes.len() <= MOST_SEED_BYTES => Some(bytes.0),
            _ => None,
        });
        tables.extend(bytes.take(12));
    }
    tables
}

fn read(input: &[u8], notes: &mut Notes) {
    let (read, peak) = peak_of(|| Table::decode(input));
    let allowed = SPARE_BYTES + 200 * input.len() as u64;
    assert!(peak <= allowed, "{peak} bytes of memory for {} bytes of input", input.len());
    match read {
        Ok(table) => {
            assert_eq!(table.check(), Ok(()));
            assert_eq!(
                Table::decode(&table.encode()),
                Ok(table.clone()),
                "a table that was written is read as it was"
            );
            notes.add(format!("{} delta {}", table.tiers.len().min(2), table.base_epoch > 0));
        }
        Err(error) => {
            assert!(!matches!(error, TableError::OldEpoch { .. } | TableError::WrongBase { .. }), "{error}");
            notes.add(error.to_string());
        }
    }
}

#[test]
fn bytes_are_a_table_or_refused_with_the_reason() -> Result<()> {
    Fuzz::target("table", 20_000).seeds(seeds()).run(read)
}

#[test]
fn a_list_that_claims_to_be_endless_takes_no_memory() {
    // The name of the first tier, then a list as long as numbers go.
    for list in [&[][..], &[1, 1, b'x'], &[0; 40]] {
        let bytes = [&b"TGT"[..], &[Table::FORMAT], list, &[0xff; 9], &[1]].concat();
        read(&bytes, &mut Notes::default());
    }
}
