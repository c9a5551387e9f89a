//! A trace from a file: CSV with a header, or JSON lines; plain or gzip.
//!
//! The columns are `ts,key,resource,cost` and, if known, `actual,class,region`, in any order. `ts` is a date and time, or
//! seconds or milliseconds since the Unix epoch; `actual` is what a request turned out to cost, if `cost` was an estimate;
//! `class` is critical, standard or deferrable; `region` is read over. Rows need not be in order.

use std::{
    borrow::Cow,
    io::{BufRead, Read},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use tidegate_core::{Class, table::MAX_RESOURCES};

use super::{Arrival, Trace};
use crate::{
    error::Error,
    input::{instant_ns, open},
};

const COLUMNS: [&str; 7] = ["ts", "key", "resource", "cost", "actual", "class", "region"];
const REQUIRED: usize = 4;
/// A cost beyond this is no cost.
const MAX_COST: u64 = 1 << 40;

/// A row's fields in the order of [`COLUMNS`]; empty where there is none.
type Fields<'a> = [Cow<'a, str>; COLUMNS.len()];

impl Trace {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// Names the file, and the line and column that make no sense.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::read(open(path)?, path)
    }

    /// Reads rows; `path` is for errors.
    pub(crate) fn read(mut input: impl BufRead, path: &Path) -> Result<Self, Error> {
        let file = |source| Error::File { path: path.to_owned(), source };
        let start = input.fill_buf().map_err(file)?;
        let is_json = start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let mut reader = Reader { path: path.to_owned(), trace: Self::default() };
        if is_json {
            reader.json_lines(input)?
        } else {
            reader.csv(input)?
        }
        if reader.trace.arrivals.is_empty() {
            return Err(reader.wrong(1, None, "no requests follow"));
        }
        reader.trace.sort();
        Ok(reader.trace)
    }
}

struct Reader {
    path: PathBuf,
    trace: Trace,
}

impl Reader {
    fn csv(&mut self, input: impl Read) -> Result<(), Error> {
        let mut rows = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(input);
        let header = rows.headers().map_err(|error| self.unreadable(error))?;
        let header: Vec<String> =
            header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        let place = |column: &&str| header.iter().position(|name| name == column);
        if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
            return Err(self.wrong(
                1,
                Some(unknown),
                &format!("is unknown; columns are {}", COLUMNS.join(", ")),
            ));
        }
        if let Some(missing) = COLUMNS.iter().take(REQUIRED).find(|column| place(column).is_none()) {
            return Err(self.wrong(1, Some(missing), "is missing"));
        }
        let places = COLUMNS.map(|column| place(&column));
        let mut row = csv::StringRecord::new();
        while rows.read_record(&mut row).map_err(|error| self.unreadable(error))? {
            let line = row.position().map_or(0, csv::Position::line);
            if row.len() != header.len() {
                let problem = format!("has {} columns where the header has {}", row.len(), header.len());
                return Err(self.wrong(line, None, &problem));
            }
            let fields: Fields<'_> =
                places.map(|place| Cow::Borrowed(place.and_then(|place| row.get(place)).unwrap_or_default()));
            self.row(line, &fields)?;
        }
        Ok(())
    }

    fn json_lines(&mut self, input: impl BufRead) -> Result<(), Error> {
        for (line, text) in (1_u64..).zip(input.lines()) {
            let text = text.map_err(|source| Error::File { path: self.path.clone(), source })?;
            if text.trim().is_empty() {
                continue;
            }
            let object: Map<String, Value> = serde_json::from_str(&text)
                .map_err(|error| self.wrong(line, None, &format!("is no JSON object: {error}")))?;
            if let Some(unknown) = object.keys().find(|name| !COLUMNS.contains(&name.as_str())) {
                let problem = format!("is unknown; columns are {}", COLUMNS.join(", "));
                return Err(self.wrong(line, Some(unknown), &problem));
            }
            let fields: Fields<'_> = COLUMNS.map(|column| match object.get(column) {
                None | Some(Value::Null) => Cow::Borrowed(""),
                Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
                Some(value) => Cow::Owned(value.to_string()),
            });
            self.row(line, &fields)?;
        }
        Ok(())
    }

    fn row(&mut self, line: u64, fields: &Fields<'_>) -> Result<(), Error> {
        let [ts, key, resource, cost, actual, class, _] = fields.each_ref().map(|field| &**field);
        let at_ns = instant_ns(ts).ok_or_else(|| {
            let problem = format!(
                "`{ts}` is no time; give one such as 2026-01-31T10:00:00Z, or seconds or milliseconds since 1970"
            );
            self.wrong(line, Some("ts"), &problem)
        })?;
        for (column, name) in [("key", key), ("resource", resource)] {
            if name.is_empty() {
                return Err(self.wrong(line, Some(column), "is empty"));
            }
        }
        let class = match class {
            "" | "standard" => Class::Standard,
            "critical" => Class::Critical,
            "deferrable" => Class::Deferrable,
            other => {
                let problem = format!("`{other}` is unknown; give critical, standard or deferrable");
                return Err(self.wrong(line, Some("class"), &problem));
            }
        };
        let cost = self.tokens(line, "cost", cost)?;
        let actual = if actual.is_empty() { None } else { Some(self.tokens(line, "actual", actual)?) };
        let resource = self.trace.resources.index(resource);
        if resource as usize >= MAX_RESOURCES {
            let problem = format!("there are more than {MAX_RESOURCES} resources");
            return Err(self.wrong(line, Some("resource"), &problem));
        }
        let key = self.trace.keys.index(key);
        self.trace.arrivals.push(Arrival { at_ns, cost, actual, key, resource: resource as u8, class });
        Ok(())
    }

    /// A number of tokens; parts are rounded up.
    fn tokens(&self, line: u64, column: &str, text: &str) -> Result<u64, Error> {
        let number: Option<f64> = text.parse().ok().filter(|number| (0.0..=MAX_COST as f64).contains(number));
        number.map(|number| number.ceil() as u64).ok_or_else(|| {
            self.wrong(line, Some(column), &format!("`{text}` is not a number from 0 to 2^40"))
        })
    }

    fn wrong(&self, line: u64, column: Option<&str>, problem: &str) -> Error {
        let column = column.map(str::to_owned);
        Error::Line { path: self.path.clone(), line, column, problem: problem.to_owned() }
    }

    fn unreadable(&self, error: csv::Error) -> Error {
        let line = error.position().map_or(1, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => Error::File { path: self.path.clone(), source },
            _ => self.wrong(line, None, "is not UTF-8 text"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn read(text: &str) -> Result<Trace, Error> {
        Trace::read(text.as_bytes(), Path::new("t"))
    }

    const CSV: &str = "key,ts,cost,resource,class,actual\n\
        \"acme, inc\",2026-01-01T00:00:01Z,5,tokens,,7\nb,1767225600,1.2,requests,critical,\n";
    const JSON: &str = concat!(
        r#"{"key":"acme, inc","ts":"2026-01-01T00:00:01Z","cost":5,"resource":"tokens","actual":7}"#,
        "\n\n",
        r#"{"key":"b","ts":1767225600,"cost":1.2,"resource":"requests","class":"critical","region":"eu"}"#,
        "\n"
    );

    #[test]
    fn rows_come_in_any_order_and_form() {
        for text in [CSV, JSON] {
            let trace = read(text).unwrap();
            let told: Vec<_> = trace
                .arrivals
                .iter()
                .map(|arrival| {
                    let Arrival { at_ns, cost, actual, key, resource, class } = *arrival;
                    let names = (trace.keys.name(key), trace.resources.name(u32::from(resource)));
                    (at_ns / 1_000_000_000, names, cost, actual, class)
                })
                .collect();
            assert_eq!(
                told,
                [
                    (1_767_225_600, ("b", "requests"), 2, None, Class::Critical),
                    (1_767_225_601, ("acme, inc", "tokens"), 5, Some(7), Class::Standard),
                ]
            );
        }
    }

    #[test]
    fn gzip_is_read_as_if_it_were_plain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let mut gzip = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
        gzip.write_all(CSV.as_bytes()).unwrap();
        gzip.finish().unwrap();
        assert_eq!(Trace::open(&path).unwrap().arrivals, read(CSV).unwrap().arrivals);
        assert!(Trace::open(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }

    #[test]
    fn errors_name_line_and_column() {
        let told = |text: &str| read(text).unwrap_err().to_string();
        let row = |row: &str| told(&format!("ts,key,resource,cost,class\n1,a,r,1,\n{row}\n"));
        assert!(row("soon,a,r,1,").starts_with("t: line 3, column ts: `soon` is no time"));
        assert!(row("1,a,r,-1,").starts_with("t: line 3, column cost: `-1` is not a number"));
        assert!(row("1,a,r,1,vip").starts_with("t: line 3, column class: `vip` is unknown"));
        assert!(row("1,,r,1,").starts_with("t: line 3, column key: is empty"));
        assert!(row("1,a,r").starts_with("t: line 3: has 3 columns where the header has 5"));
        assert!(told("ts,key,cost\n").starts_with("t: line 1, column resource: is missing"));
        assert!(told("ts,key,resource,cost,colour\n").starts_with("t: line 1, column colour: is unknown"));
        assert!(told("ts,key,resource,cost\n").starts_with("t: line 1: no requests follow"));
        assert!(told("{\"ts\":1,\"key\":\"a\"\n").starts_with("t: line 1: is no JSON object"));
        assert!(
            told("{\"ts\":1,\"key\":\"a\",\"resource\":\"r\"}\n").starts_with("t: line 1, column cost: ``")
        );
        let many: String = (0..200).map(|number| format!("1,a,r{number},1\n")).collect();
        assert!(
            told(&format!("ts,key,resource,cost\n{many}")).contains("column resource: there are more than")
        );
    }
}
