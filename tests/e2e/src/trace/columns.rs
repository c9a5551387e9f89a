//! One line of a log: which column means what, and what a value must look like.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;

use super::{Entry, LLM_TOKENS, ONE_KEY, REQUESTS};

const KEYED: [&str; 7] = ["ts", "key", "resource", "cost", "actual", "class", "region"];
const KEYED_REQUIRED: usize = 4;
const LLM: [&str; 3] = ["t_seconds", "context_tokens", "generated_tokens"];
const CLASSES: [&str; 3] = ["critical", "standard", "deferrable"];
const MAX_TOKENS: u64 = 1 << 40;
const MAX_NAME: usize = 256;

/// The columns of a log.
pub(super) struct Columns {
    names: Vec<String>,
    llm: bool,
}

impl Columns {
    /// Understands the first line of a log.
    pub(super) fn find(header: &str) -> Result<Self> {
        let names: Vec<String> =
            header.trim_start_matches('\u{feff}').split(',').map(|name| name.trim().to_owned()).collect();
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        let llm = has(LLM[0]);
        let (known, required) = if llm { (&LLM[..], LLM.len()) } else { (&KEYED[..], KEYED_REQUIRED) };
        let missing: Vec<&str> = known.iter().take(required).copied().filter(|name| !has(name)).collect();
        if !missing.is_empty() {
            bail!(
                "no column {}: a log has the columns {}[,{}], or {}",
                missing.join(", "),
                KEYED[..KEYED_REQUIRED].join(","),
                KEYED[KEYED_REQUIRED..].join(","),
                LLM.join(",")
            );
        }
        for (position, name) in names.iter().enumerate() {
            ensure!(
                known.contains(&name.as_str()),
                "unknown column {name:?}; known are {}",
                known.join(", ")
            );
            ensure!(
                !names.iter().take(position).any(|earlier| earlier == name),
                "column {name} occurs twice"
            );
        }
        Ok(Self { names, llm })
    }

    /// Understands any other line.
    pub(super) fn entry(&self, line: &str) -> Result<Entry> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        ensure!(!line.contains('"'), "quotes are not understood: names here need none");
        ensure!(fields.len() == self.names.len(), "{} columns instead of {}", fields.len(), self.names.len());
        let row = Row { names: &self.names, fields: &fields };
        if self.llm { llm(&row) } else { keyed(&row) }
    }
}

struct Row<'a> {
    names: &'a [String],
    fields: &'a [&'a str],
}

impl<'a> Row<'a> {
    /// The value of a column; `None` when it is absent or empty.
    fn get(&self, column: &str) -> Option<&'a str> {
        let position = self.names.iter().position(|name| name == column)?;
        self.fields.get(position).copied().filter(|value| !value.is_empty())
    }

    fn read<T>(&self, column: &str, read: impl Fn(&'a str) -> Result<T>) -> Result<T> {
        let value = self.get(column).with_context(|| format!("column {column} is empty"))?;
        read(value).with_context(|| format!("column {column}: {value:?}"))
    }

    fn optional<T>(&self, column: &str, read: impl Fn(&'a str) -> Result<T>) -> Result<Option<T>> {
        if self.get(column).is_none() { Ok(None) } else { self.read(column, read).map(Some) }
    }
}

fn keyed(row: &Row<'_>) -> Result<Entry> {
    let resource = row.read("resource", resource)?;
    let cost = row.read("cost", tokens)?;
    if resource == REQUESTS {
        ensure!(cost == 1, "column cost: a request costs one of the resource {REQUESTS}, not {cost}");
    }
    Ok(Entry {
        at: row.read("ts", time)?,
        key: row.read("key", name)?,
        resource,
        cost,
        actual: row.optional("actual", tokens)?.unwrap_or(cost),
        class: row.optional("class", class)?,
    })
}

fn llm(row: &Row<'_>) -> Result<Entry> {
    let [at, context, generated] = LLM;
    let cost = row.read(context, tokens)?;
    Ok(Entry {
        at: row.read(at, time)?,
        key: ONE_KEY.to_owned(),
        resource: LLM_TOKENS.to_owned(),
        cost,
        actual: cost + row.read(generated, tokens)?,
        class: None,
    })
}

/// Seconds since anything, or a time of day.
fn time(value: &str) -> Result<Duration> {
    let seconds = match value.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let instant: Timestamp =
                value.parse().context("neither seconds nor a time such as 2026-01-31T10:00:00Z")?;
            return Duration::try_from(instant.duration_since(Timestamp::UNIX_EPOCH)).context("before 1970");
        }
    };
    Duration::try_from_secs_f64(seconds).context("not a number of seconds from 0 on")
}

fn tokens(value: &str) -> Result<u64> {
    let tokens: u64 = value.parse().context("not a whole number from 0 on")?;
    ensure!(tokens <= MAX_TOKENS, "more than {MAX_TOKENS}");
    Ok(tokens)
}

/// A key travels as a header value.
fn name(value: &str) -> Result<String> {
    ensure!(value.len() <= MAX_NAME, "longer than {MAX_NAME} bytes");
    ensure!(
        value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '),
        "only printable ASCII can be sent in a header"
    );
    Ok(value.to_owned())
}

/// A resource names headers and entries of configuration files.
fn resource(value: &str) -> Result<String> {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    ensure!(value.len() <= MAX_NAME && value.bytes().all(sound), "a resource is named with a-z, 0-9 and _");
    Ok(value.to_owned())
}

fn class(value: &str) -> Result<&'static str> {
    let known = CLASSES.into_iter().find(|known| *known == value);
    known.with_context(|| format!("not one of {}", CLASSES.join(", ")))
}
