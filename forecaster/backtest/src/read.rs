//! Series from a file in the forecasting field's long format: CSV with a header, or JSON lines; plain or gzip.
//!
//! The columns are `unique_id,ds,y`, in any order; others are read over. Rows need not be in order. A series begins
//! with its first row and ends with its last; steps without a row, or with an empty `y`, are gaps.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

use crate::{
    error::Error,
    frame::{Frame, Series},
    freq::Freq,
    stamp::Stamps,
};

const COLUMNS: [&str; 3] = ["unique_id", "ds", "y"];
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// A series longer than this has a wrong time in it, or a wrong frequency was given.
const LONGEST: i64 = 20_000_000;

/// Opens a file, or standard input for `-`; unpacks it when it is gzipped.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, Error> {
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let plain: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(wrong)?)
    };
    let mut plain = BufReader::new(plain);
    let is_gzip = plain.fill_buf().map_err(wrong)?.starts_with(&GZIP);
    Ok(if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(plain))) } else { Box::new(plain) })
}

/// Reads series; `path` is for errors.
///
/// # Errors
/// Names the line and column that make no sense.
pub fn read(mut input: impl BufRead, path: &Path, freq: Freq) -> Result<Frame, Error> {
    let start = input.fill_buf().map_err(|source| Error::File { path: path.to_owned(), source })?;
    let is_json = start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let mut reader = Reader { path: path.to_owned(), freq, ..Reader::default() };
    if is_json {
        reader.json_lines(input)?
    } else {
        reader.csv(input)?
    }
    reader.finish()
}

/// One row: its time, its line and its value.
type Row = (i64, u64, f64);

struct Reader {
    path: PathBuf,
    freq: Freq,
    stamps: Option<Stamps>,
    places: HashMap<String, usize>,
    rows: Vec<(String, Vec<Row>)>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            freq: Freq::Number(1),
            stamps: None,
            places: HashMap::new(),
            rows: Vec::new(),
        }
    }
}

impl Reader {
    fn wrong(&self, line: u64, column: Option<&str>, says: impl Into<String>) -> Error {
        Error::Line { path: self.path.clone(), line, column: column.map(str::to_owned), says: says.into() }
    }

    fn csv(&mut self, input: impl Read) -> Result<(), Error> {
        let mut rows = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(input);
        let header = rows.headers().map_err(|error| self.wrong(1, None, error.to_string()))?.clone();
        let place = |column: &str| {
            header.iter().position(|name| name.trim_start_matches('\u{feff}').eq_ignore_ascii_case(column))
        };
        let mut places = [0; COLUMNS.len()];
        for (at, column) in places.iter_mut().zip(COLUMNS) {
            *at = place(column).ok_or_else(|| {
                self.wrong(1, Some(column), "is missing; the header must name unique_id, ds and y")
            })?;
        }
        let [id_at, ds_at, y_at] = places;
        for row in rows.records() {
            let row = row.map_err(|error| {
                let line = error.position().map_or(0, csv::Position::line);
                self.wrong(line, None, error.to_string())
            })?;
            let line = row.position().map_or(0, csv::Position::line);
            let field = |at: usize, column: &str| {
                row.get(at).ok_or_else(|| self.wrong(line, Some(column), "is missing from this line"))
            };
            let (id, ds, y) = (field(id_at, "unique_id")?, field(ds_at, "ds")?, field(y_at, "y")?);
            self.add(line, id, ds, y)?;
        }
        Ok(())
    }

    fn json_lines(&mut self, input: impl BufRead) -> Result<(), Error> {
        for (text, line) in input.lines().zip(1..) {
            let text = text.map_err(|source| Error::File { path: self.path.clone(), source })?;
            if text.trim().is_empty() {
                continue;
            }
            let value: Value = serde_json::from_str(&text)
                .map_err(|error| self.wrong(line, None, format!("is no JSON object: {error}")))?;
            let field = |column: &str| match value.get(column) {
                Some(Value::String(text)) => Ok(text.clone()),
                Some(Value::Number(number)) => Ok(number.to_string()),
                Some(Value::Null) if column == "y" => Ok(String::new()),
                Some(_) => Err(self.wrong(line, Some(column), "is neither text nor number")),
                None => Err(self.wrong(line, Some(column), "is missing")),
            };
            let (id, ds, y) = (field("unique_id")?, field("ds")?, field("y")?);
            self.add(line, &id, &ds, &y)?;
        }
        Ok(())
    }

    fn add(&mut self, line: u64, id: &str, ds: &str, y: &str) -> Result<(), Error> {
        let plain = matches!(self.freq, Freq::Number(_));
        let (style, at) = Stamps::parse(ds, plain).ok_or_else(|| {
            self.wrong(line, Some("ds"), format!("`{ds}` is no time, such as 2026-01-31T12:00:00"))
        })?;
        if plain && style != Stamps::Number {
            return Err(self.wrong(line, Some("ds"), "is a time: give --freq with a unit, such as 1h"));
        }
        let value = if y.is_empty() || y.eq_ignore_ascii_case("nan") {
            f64::NAN
        } else {
            let number = y.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| self.wrong(line, Some("y"), format!("`{y}` is no number")))?
        };
        self.stamps.get_or_insert(style);
        let count = self.rows.len();
        let place = *self.places.entry(id.to_owned()).or_insert(count);
        if place == count {
            self.rows.push((id.to_owned(), Vec::new()));
        }
        if let Some((_, rows)) = self.rows.get_mut(place) {
            rows.push((at, line, value));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Frame, Error> {
        let mut series = Vec::new();
        for (id, mut rows) in std::mem::take(&mut self.rows) {
            rows.sort_by_key(|&(at, line, _)| (at, line));
            rows.retain(|(_, _, value)| !value.is_nan());
            if !rows.is_empty() {
                series.push(self.grid(id, &rows)?);
            }
        }
        if series.is_empty() {
            return Err(self.wrong(1, None, "no values follow"));
        }
        Ok(Frame { series, freq: self.freq, stamps: self.stamps.unwrap_or_default() })
    }

    /// Puts the rows of a series, in order, where they belong.
    fn grid(&self, id: String, rows: &[Row]) -> Result<Series, Error> {
        let first = rows.first().map_or(0, |&(at, ..)| at);
        let length = self.freq.length();
        let mut values: Vec<f64> = Vec::with_capacity(rows.len());
        for &(at, line, value) in rows {
            let step = (at - first + length / 2).div_euclid(length);
            if step >= LONGEST {
                let says = format!("is {step} steps after the first of `{id}`: is --freq right?");
                return Err(self.wrong(line, Some("ds"), says));
            }
            if step < values.len() as i64 {
                let says = format!("falls into the same step as an earlier row of `{id}`: is --freq right?");
                return Err(self.wrong(line, Some("ds"), says));
            }
            values.resize(step as usize, f64::NAN);
            values.push(value);
        }
        Ok(Series { id, first, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Frame, String> {
        read(text.as_bytes(), Path::new("f.csv"), Freq::Time(60_000)).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_in_any_order_become_series_with_gaps() {
        let frame = read_text(
            "ds,unique_id,more,y\n2026-01-01T00:03:00,b,x,4\n2026-01-01T00:00:00,b,x,1.5\n2026-01-01T00:00:00,a,x,7\n\
             2026-01-01T00:02:00,b,x,\n",
        )
        .unwrap();
        let [b, a] = &frame.series[..] else { panic!("two series: {frame:?}") };
        assert_eq!((&b.id[..], &a.values[..]), ("b", &[7.0][..]));
        assert_eq!((b.values[0], b.values[3], b.values.len()), (1.5, 4.0, 4));
        assert!(b.values[1].is_nan() && b.values[2].is_nan());
        assert_eq!(frame.stamp(b, 3), "2026-01-01T00:03:00");
    }

    #[test]
    fn json_lines_say_the_same() {
        let csv = read_text("unique_id,ds,y\na,60,1\na,120,2\n").unwrap();
        let json = read_text(
            "{\"unique_id\":\"a\",\"ds\":60,\"y\":1}\n\n{\"unique_id\":\"a\",\"ds\":\"120\",\"y\":2.0}\n",
        );
        assert_eq!(json.unwrap(), csv);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_line_and_column() {
        for (text, says) in [
            ("unique_id,y\na,1\n", "f.csv: line 1, column ds: is missing"),
            ("unique_id,ds,y\na,60,1\na,120,many\n", "f.csv: line 3, column y: `many` is no number"),
            ("unique_id,ds,y\na,noon,1\n", "f.csv: line 2, column ds: `noon` is no time"),
            ("unique_id,ds,y\na,60\n", "f.csv: line 2, column y: is missing from this line"),
            ("unique_id,ds,y\na,60,1\na,61,1\n", "f.csv: line 3, column ds: falls into the same step"),
            ("unique_id,ds,y\n", "f.csv: line 1: no values follow"),
            ("{\"unique_id\":\"a\",\"ds\":1}\n", "f.csv: line 1, column y: is missing"),
            ("unique_id,ds,y\na,60,1\na,99999999999999,1\n", "is --freq right?"),
        ] {
            let told = read_text(text).unwrap_err();
            assert!(told.contains(says), "{told} for {text}");
        }
    }
}
