//! Rates of demand over time: the forecasting field's long format, `unique_id,ds,y`, plain or gzip.
//!
//! `y` is the demand in the window that begins at `ds`; a window is as long as the shortest distance between two.
//! `ds` is a date and time in UTC (`2026-01-31T10:00:00`, with or without a zone), or seconds or milliseconds since the Unix epoch.

use std::{collections::BTreeMap, io::BufRead, path::Path};

use crate::{
    error::Error,
    input::{instant_ns, open},
};

const COLUMNS: [&str; 3] = ["unique_id", "ds", "y"];

/// Demand of every key over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Length of a window in seconds.
    pub window_s: u64,
    /// Start of the first window, in seconds since the Unix epoch.
    pub starts_at_s: u64,
    /// Demand per window by key, from the first window on; windows without a row are 0.
    pub keys: BTreeMap<String, Vec<f64>>,
}

impl Rates {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the file, and the line and column that make no sense.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::read(open(path)?, path)
    }

    /// Reads rows; `path` is for errors.
    pub(crate) fn read(input: impl BufRead, path: &Path) -> Result<Self, Error> {
        let wrong = |line: u64, column: Option<&str>, problem: String| Error::Line {
            path: path.to_owned(),
            line,
            column: column.map(str::to_owned),
            problem,
        };
        let mut lines = (1_u64..).zip(input.lines());
        let mut next = || {
            let Some((number, line)) = lines.next() else { return Ok(None) };
            line.map(|line| Some((number, line)))
                .map_err(|source| Error::File { path: path.to_owned(), source })
        };
        let Some((_, header)) = next()? else { return Err(wrong(1, None, "the file is empty".into())) };
        if header.trim_start_matches('\u{feff}').trim_end().split(',').ne(COLUMNS) {
            return Err(wrong(1, None, format!("is `{header}`; give the columns {}", COLUMNS.join(","))));
        }
        let mut rows: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
        while let Some((number, line)) = next()? {
            let mut fields = line.trim_end().split(',');
            let (Some(key), Some(ds), Some(y), None) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                return Err(wrong(number, None, "does not have 3 columns".into()));
            };
            let at_s = instant_ns(ds).map(|at_ns| at_ns / 1_000_000_000).ok_or_else(|| {
                let problem = format!("`{ds}` is no time; give one such as 2026-01-31T10:00:00, or seconds");
                wrong(number, Some("ds"), problem)
            })?;
            let y: Option<f64> = y.parse().ok().filter(|y: &f64| y.is_finite() && *y >= 0.0);
            let y = y.ok_or_else(|| wrong(number, Some("y"), "is not a number from 0 on".into()))?;
            let key = rows.entry(key.to_owned()).or_default();
            if key.insert(at_s, y).is_some() {
                return Err(wrong(number, Some("ds"), format!("`{ds}` comes twice for the same key")));
            }
        }
        Self::of(&rows).ok_or_else(|| wrong(1, None, "fewer than two windows of any key follow".into()))
    }

    fn of(rows: &BTreeMap<String, BTreeMap<u64, f64>>) -> Option<Self> {
        let starts_at_s = rows.values().filter_map(|key| key.keys().next()).min().copied()?;
        let gaps = rows.values().flat_map(|key| key.keys().zip(key.keys().skip(1)).map(|(a, b)| b - a));
        let window_s = gaps.min()?;
        let index = |at_s: u64| ((at_s - starts_at_s) / window_s) as usize;
        let last = rows.values().filter_map(|key| key.keys().next_back()).max().copied()?;
        let dense = |key: &BTreeMap<u64, f64>| {
            let mut windows = vec![0.0; index(last) + 1];
            for (at_s, y) in key {
                if let Some(window) = windows.get_mut(index(*at_s)) {
                    *window += y;
                }
            }
            windows
        };
        let keys = rows.iter().map(|(name, key)| (name.clone(), dense(key))).collect();
        Some(Self { window_s, starts_at_s, keys })
    }

    /// When the last window ends, in seconds since the Unix epoch.
    #[must_use]
    pub fn ends_at_s(&self) -> u64 {
        self.starts_at_s + self.keys.values().map(Vec::len).max().unwrap_or(0) as u64 * self.window_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rates, Error> {
        Rates::read(text.as_bytes(), Path::new("rates.csv"))
    }

    #[test]
    fn windows_that_are_missing_are_silent() {
        let rates = read(
            "unique_id,ds,y\na,2026-01-01T00:00:00,5\na,2026-01-01T00:10:00Z,6\nb,2026-01-01 00:20:00,7\n",
        )
        .unwrap();
        assert_eq!((rates.window_s, rates.ends_at_s() - rates.starts_at_s), (600, 1800));
        assert_eq!(
            (&rates.keys["a"][..], &rates.keys["b"][..]),
            (&[5.0, 6.0, 0.0][..], &[0.0, 0.0, 7.0][..])
        );
    }

    #[test]
    fn errors_name_line_and_column() {
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert!(told("a,b\n").starts_with("rates.csv: line 1: is `a,b`; give the columns unique_id,ds,y"));
        assert!(
            told("unique_id,ds,y\na,soon,5\n").starts_with("rates.csv: line 2, column ds: `soon` is no time")
        );
        assert!(
            told("unique_id,ds,y\na,60,1\na,120,-5\n").starts_with("rates.csv: line 3, column y: is not")
        );
        assert!(told("unique_id,ds,y\na,60,1\na,60,5\n").contains("line 3, column ds: `60` comes twice"));
        assert!(told("unique_id,ds,y\na,60\n").contains("line 2: does not have 3 columns"));
    }
}
