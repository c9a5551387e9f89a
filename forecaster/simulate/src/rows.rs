//! One row per request and run: what was asked for, and what became of it.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use tidegate_core::{Class, Source, Timestamp};

use crate::{
    error::Error, limiter::Refused, policy::Policy, replay::Outcome, study::Setting, trace::Arrival,
    world::World,
};

const COLUMNS: &str =
    "scenario,cast,load,policy,arm,seed,ts,key,tier,resource,class,cost,actual,outcome,reason,source,wait_ms";

/// A CSV file that takes rows; what goes wrong is told at the end of a run.
pub struct Rows {
    path: PathBuf,
    output: Output,
    problem: Option<std::io::Error>,
    /// What all rows of a run begin with.
    prefix: String,
    line: String,
}

enum Output {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Rows {
    /// Makes the file, anew if it exists; one whose name ends in `.gz` is gzipped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = |source| Error::File { path: path.to_owned(), source };
        let plain = BufWriter::new(File::create(path).map_err(file)?);
        let mut output = if path.extension().is_some_and(|suffix| suffix == "gz") {
            Output::Gzip(GzEncoder::new(plain, Compression::fast()))
        } else {
            Output::Plain(plain)
        };
        output.write(&format!("{COLUMNS}\n")).map_err(file)?;
        Ok(Self { path: path.to_owned(), output, problem: None, prefix: String::new(), line: String::new() })
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(), Error> {
        let finished = match self.output {
            Output::Plain(mut plain) => plain.flush(),
            Output::Gzip(gzip) => gzip.finish().and_then(|mut plain| plain.flush()),
        };
        finished.map_err(|source| Error::File { path: self.path, source })
    }

    /// The rows of a run follow.
    pub(crate) fn begin(&mut self, policy: &Policy, setting: Setting, arm: &str, seed: u64) {
        let Setting { scenario, cast, load } = setting;
        let load = load.map(|load| load.to_string()).unwrap_or_default();
        self.prefix = format!(
            "{scenario},{},{load},{},{},{seed},",
            cast.unwrap_or_default(),
            quoted(&policy.name),
            quoted(arm)
        );
    }

    /// One row.
    pub(crate) fn write(&mut self, world: &World, policy: &Policy, arrival: &Arrival, outcome: Outcome) {
        if self.problem.is_some() {
            return;
        }
        self.line.clear();
        self.line.push_str(&self.prefix);
        let key = world.trace.keys.name(arrival.key);
        let tier = policy.tiers.get(usize::from(policy.tier_of(key)));
        let (outcome, reason, source, wait_ns) = match outcome {
            Outcome::Admitted { passed, wait_ns } => ("admitted", "", source(passed.source), Some(wait_ns)),
            Outcome::Refused(Refused::Short) => ("refused", "pool", "", None),
            Outcome::Refused(Refused::BeyondContract) => ("refused", "contract", "", None),
        };
        let class = match arrival.class {
            Class::Critical => "critical",
            Class::Standard => "standard",
            Class::Deferrable => "deferrable",
        };
        let fields = [
            &timestamp(arrival.at_ns),
            &quoted(key),
            &quoted(tier.map_or("", |tier| &tier.tier.name)),
            &quoted(world.trace.resources.name(u32::from(arrival.resource))),
            class,
            &arrival.cost.to_string(),
            &arrival.actual.map(|actual| actual.to_string()).unwrap_or_default(),
            outcome,
            reason,
            source,
            &wait_ns.map(|nanos| format!("{:.3}", nanos as f64 / 1e6)).unwrap_or_default(),
        ];
        self.line.push_str(&fields.join(","));
        self.line.push('\n');
        self.problem = self.output.write(&self.line).err();
    }

    /// A run's rows are over.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        match self.problem.take() {
            Some(source) => Err(Error::File { path: self.path.clone(), source }),
            None => Ok(()),
        }
    }
}

impl Output {
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        match self {
            Self::Plain(plain) => plain.write_all(text.as_bytes()),
            Self::Gzip(gzip) => gzip.write_all(text.as_bytes()),
        }
    }
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::Guaranteed => "guaranteed",
        Source::Opportunistic => "opportunistic",
        Source::Emergency => "emergency",
    }
}

fn timestamp(at_ns: u64) -> String {
    let at = Timestamp::from_nanos(at_ns);
    format!("{}.{:06}", at.millis() / 1000, at_ns / 1000 % 1_000_000)
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
