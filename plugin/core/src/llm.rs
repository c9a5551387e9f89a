//! What a language model's request is going to cost, and what it has cost, read from bodies as they pass.
//!
//! Requests tell how much they may generate (`max_tokens` and its successors of the OpenAI and Anthropic APIs), responses what was
//! used: in a `usage` object, at the root or inside `message` or `response`, of a JSON document or of the events of a stream
//! (server-sent events, WHATWG HTML section 9.2). Counts in a stream are running totals: the latest counts.

mod scan;

use scan::{Place, Scanner};

use crate::rules::MAX_COST;

/// Tokens of a finished request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones too.
    pub input: u64,
    /// Tokens generated.
    pub output: u64,
}

/// What a request says of its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Bytes of the body.
    pub bytes: u64,
    /// The most tokens that may be generated, of all choices together.
    pub max_output: Option<u64>,
}

/// How tokens of prompt and answer become a cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LlmRule {
    /// So many bytes of a prompt are estimated to be one token, at least 1.
    pub bytes_per_token: u64,
    /// Tokens generated where the request does not say how many may be.
    pub default_output: u64,
    /// What a token of the prompt costs.
    pub input_weight: u64,
    /// What a generated token costs.
    pub output_weight: u64,
}

impl LlmRule {
    /// What a request is estimated to cost: its prompt, and as much as it may generate.
    #[must_use]
    pub fn estimate(&self, prompt: &Prompt) -> u64 {
        let input = prompt.bytes.div_ceil(self.bytes_per_token.max(1));
        self.cost(&Usage { input, output: prompt.max_output.unwrap_or(self.default_output) })
    }

    /// What so much usage costs.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> u64 {
        let input = usage.input.saturating_mul(self.input_weight);
        input.saturating_add(usage.output.saturating_mul(self.output_weight)).min(MAX_COST)
    }
}

/// Reads a request's body.
#[derive(Clone, Debug, Default)]
pub struct PromptReader {
    scanner: Scanner,
    bytes: u64,
    max_output: Option<u64>,
    choices: Option<u64>,
}

impl PromptReader {
    /// Reads on.
    pub fn read(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let Self { scanner, max_output, choices, .. } = self;
        for byte in bytes {
            scanner.read(*byte, &mut |place, value| {
                let limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
                if limits.iter().any(|name| place.is(&[name])) {
                    *max_output = Some(value);
                } else if place.is(&["n"]) {
                    *choices = Some(value);
                }
            });
        }
    }

    /// What has been read so far.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let all = |most: u64| most.saturating_mul(self.choices.unwrap_or(1).max(1));
        Prompt { bytes: self.bytes, max_output: self.max_output.map(all) }
    }
}

/// Reads a response's body.
#[derive(Clone, Debug)]
pub struct UsageReader {
    scanner: Scanner,
    is_stream: bool,
    /// The line so far is empty.
    is_blank: bool,
    counts: Counts,
}

/// The latest of each count.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    input: Option<u64>,
    cache_writes: Option<u64>,
    cache_reads: Option<u64>,
    output: Option<u64>,
}

impl UsageReader {
    /// A reader for a body of this `content-type`; none for what tells no usage.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Self> {
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is_stream = essence.eq_ignore_ascii_case(b"text/event-stream");
        let is_json = essence.eq_ignore_ascii_case(b"application/json");
        (is_stream || is_json).then(|| Self {
            scanner: Scanner::default(),
            is_stream,
            is_blank: true,
            counts: Counts::default(),
        })
    }

    /// Reads on.
    pub fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                // An empty line ends an event: what was broken in it breaks no other.
                b'\n' | b'\r' if self.is_stream && self.is_blank => self.scanner = Scanner::default(),
                b'\n' => self.is_blank = true,
                b'\r' => {}
                _ => self.is_blank = false,
            }
            self.scanner.read(*byte, &mut |place, value| self.counts.take(place, value));
        }
    }

    /// The usage told so far; none before what was generated has been counted.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let Counts { input, cache_writes, cache_reads, output } = self.counts;
        let input = [input, cache_writes, cache_reads].into_iter().flatten().fold(0, u64::saturating_add);
        output.map(|output| Usage { input, output })
    }
}

impl Counts {
    fn take(&mut self, place: &Place<'_>, value: u64) {
        let is = |name: &str| {
            place.is(&["usage", name])
                || place.is(&["message", "usage", name])
                || place.is(&["response", "usage", name])
        };
        let count = if is("prompt_tokens") || is("input_tokens") {
            &mut self.input
        } else if is("completion_tokens") || is("output_tokens") {
            &mut self.output
        } else if is("cache_creation_input_tokens") {
            &mut self.cache_writes
        } else if is("cache_read_input_tokens") {
            &mut self.cache_reads
        } else {
            return;
        };
        *count = Some(value);
    }
}

#[cfg(test)]
mod tests;
