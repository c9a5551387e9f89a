//! Bodies of language models' requests and responses, in the build that reads them.
//!
//! A request whose cost depends on its body is decided when all of it is there: Envoy holds it until then, at most as much as its
//! buffer may take. Responses pass while they are read.
//!
//! Envoy shows a plugin the body of a request that it holds only where its configuration says
//! `allow_on_headers_stop_iteration: true` (Envoy 1.35 and later); else the request would never go on. So if none was ever shown in
//! time, nobody is held for one again, and costs are estimated by `content-length`.

use std::collections::HashMap;

use proxy_wasm::types::BufferType;
use tidegate_core::{
    attributes::{Attributes, WithBody},
    llm::{PromptReader, Usage, UsageReader},
};

use crate::host::{self, Headers};

/// How long the very first body may take.
const FIRST_BODY_MS: u64 = 2_000;

/// Whether bodies are shown at all.
#[derive(Default)]
pub(crate) struct Watch {
    is_seen: bool,
    is_blind: bool,
    /// Who is held for a body while none has ever been shown, and since when.
    waiting: HashMap<u32, u64>,
}

impl Watch {
    pub(crate) const fn is_blind(&self) -> bool {
        self.is_blind
    }

    /// A request is held until its body is there.
    pub(crate) fn expect(&mut self, context: u32, now_ms: u64) {
        if !self.is_seen {
            self.waiting.insert(context, now_ms);
        }
    }

    /// A body has been shown.
    pub(crate) fn see(&mut self) {
        if !self.is_seen {
            self.is_seen = true;
            self.waiting = HashMap::new();
        }
    }

    /// A request has ended.
    pub(crate) fn forget(&mut self, context: u32) {
        self.waiting.remove(&context);
    }

    /// Who has to go on, once it is clear that no body is going to be shown before.
    pub(crate) fn give_up(&mut self, now_ms: u64) -> Vec<u32> {
        let is_late = |since: &u64| now_ms.saturating_sub(*since) >= FIRST_BODY_MS;
        if !self.waiting.values().any(is_late) {
            return Vec::new();
        }
        self.is_blind = true;
        std::mem::take(&mut self.waiting).into_keys().collect()
    }
}

/// A request that is decided once its body is there.
pub(crate) struct Asking {
    headers: Headers,
    reader: PromptReader,
    read: usize,
}

impl Asking {
    pub(crate) fn new(headers: Headers) -> Self {
        Self { headers, reader: PromptReader::default(), read: 0 }
    }

    /// Reads on in a body of which so many bytes are there.
    pub(crate) fn read(&mut self, size: usize) {
        let more = size.saturating_sub(self.read);
        self.reader.read(&host::buffer(BufferType::HttpRequestBody, self.read, more));
        self.read = self.read.max(size);
    }

    pub(crate) fn attributes(&self) -> WithBody<'_, Headers> {
        WithBody { head: &self.headers, prompt: Some(self.reader.prompt()), usage: None }
    }
}

/// A response whose body is going to tell what was used.
pub(crate) struct Telling {
    headers: Headers,
    /// Nobody reads a body in another coding.
    reader: Option<UsageReader>,
}

impl Telling {
    /// What tells no usage is given back.
    pub(crate) fn new(headers: Headers) -> Result<Self, Headers> {
        match headers.header("content-type").and_then(UsageReader::of) {
            Some(reader) => {
                let reader = is_plain(&headers).then_some(reader);
                Ok(Self { headers, reader })
            }
            None => Err(headers),
        }
    }

    /// Reads a piece of so many bytes.
    pub(crate) fn read(&mut self, size: usize) {
        if let Some(reader) = &mut self.reader {
            reader.read(&host::buffer(BufferType::HttpResponseBody, 0, size));
        }
    }

    /// What its trailers tell counts too.
    pub(crate) fn read_trailers(&mut self) {
        self.headers.read_trailers();
    }

    /// An error that tells no usage has used nothing.
    pub(crate) fn attributes(&self) -> WithBody<'_, Headers> {
        let status = self.headers.header(":status").unwrap_or_default();
        let is_error = status.starts_with(b"4") || status.starts_with(b"5");
        let usage =
            self.reader.as_ref().and_then(UsageReader::usage).or_else(|| is_error.then(Usage::default));
        WithBody { head: &self.headers, prompt: None, usage }
    }
}

/// Whether a message's body is JSON as it stands.
pub(crate) fn is_plain_json(headers: &Headers) -> bool {
    let essence = headers.header("content-type").and_then(|value| value.split(|byte| *byte == b';').next());
    essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/json"))
        && is_plain(headers)
}

fn is_plain(headers: &Headers) -> bool {
    headers.header("content-encoding").is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
}
