//! Request logs to replay: CSV, gzip accepted, columns found by the names in the first line.
//!
//! Two kinds are read: `ts,key,resource,cost[,actual,class,region]`, and `t_seconds,context_tokens,generated_tokens`
//! of LLM services that do not tell customers apart. A line that makes no sense is an error that names line and
//! column: replaying half a log would prove nothing.

mod columns;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;

use columns::Columns;

/// The resource that every request uses one of.
pub const REQUESTS: &str = "requests";
/// The resource of logs of LLM services.
pub const LLM_TOKENS: &str = "llm_tokens";
const ONE_KEY: &str = "trace";
const MAX_ENTRIES: usize = 5_000_000;
const MAX_LINE: u64 = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A log, ordered by time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Its requests.
    pub entries: Vec<Entry>,
}

/// One request of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, since the first request.
    pub at: Duration,
    /// Who.
    pub key: String,
    /// Of what.
    pub resource: String,
    /// How much, as known at the start.
    pub cost: u64,
    /// How much, as known at the end.
    pub actual: u64,
    /// How urgent.
    pub class: Option<&'static str>,
}

impl Trace {
    /// Reads a log from a file.
    ///
    /// # Errors
    /// Names the file, and the line and column that make no sense.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Self::read(BufReader::new(file)).with_context(|| path.display().to_string())
    }

    /// Reads a log.
    ///
    /// # Errors
    /// Names the line and column that make no sense.
    pub fn read(mut input: impl BufRead) -> Result<Self> {
        let gzip = input.fill_buf().context("cannot read")?.starts_with(&GZIP_MAGIC);
        let plain: Box<dyn Read + '_> =
            if gzip { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
        let mut lines = Lines { input: BufReader::new(plain), number: 0 };
        let header = lines.next_line()?.context("the file is empty")?;
        let columns = Columns::find(&header).context("line 1")?;
        let mut entries = Vec::new();
        while let Some(line) = lines.next_line()? {
            let place = || format!("line {}", lines.number);
            if !line.is_empty() {
                entries.push(columns.entry(&line).with_context(place)?);
            }
            ensure!(entries.len() <= MAX_ENTRIES, "more than {MAX_ENTRIES} requests: replay a part of it");
        }
        ensure!(!entries.is_empty(), "no requests after the first line");
        entries.sort_by_key(|entry| entry.at);
        let first = entries.first().map_or(Duration::ZERO, |entry| entry.at);
        entries.iter_mut().for_each(|entry| entry.at -= first);
        Ok(Self { entries })
    }

    /// From the first request to the last.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.entries.last().map_or(Duration::ZERO, |entry| entry.at)
    }

    /// The keys in it.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<&str> {
        self.entries.iter().map(|entry| entry.key.as_str()).collect()
    }

    /// The resources in it, without the requests themselves.
    #[must_use]
    pub fn costly_resources(&self) -> BTreeSet<&str> {
        self.entries.iter().map(|entry| entry.resource.as_str()).filter(|name| *name != REQUESTS).collect()
    }
}

struct Lines<R> {
    input: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    fn next_line(&mut self) -> Result<Option<String>> {
        self.number += 1;
        let mut line = String::new();
        let place = || format!("line {}", self.number);
        let length = (&mut self.input).take(MAX_LINE).read_line(&mut line).with_context(place)?;
        if length as u64 == MAX_LINE {
            bail!("line {}: longer than {MAX_LINE} bytes", self.number);
        }
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()).filter(|_| length > 0))
    }
}

#[cfg(test)]
mod tests;
