//! Headers of one message, fetched as they are asked for.
//!
//! A hostcall that returns data re-enters the VM to allocate, and all headers at once cost Envoy three times what one does. So the
//! first that is asked for comes alone, and with a second one all of them; from then on requests fetch all at once.

use std::cell::{Cell, OnceCell};

use proxy_wasm::types::MapType;
use tidegate_core::attributes::{Attributes, HeaderPairs};

use super::raw;

thread_local! {
    /// Requests lately needed more than one header.
    static READS_MANY: Cell<bool> = const { Cell::new(false) };
}

/// The headers of a request or a response.
pub(crate) struct Headers {
    kind: MapType,
    first: OnceCell<First>,
    all: OnceCell<HeaderPairs>,
    trailers: HeaderPairs,
}

/// A header that came alone.
struct First {
    name: String,
    value: Option<Vec<u8>>,
}

impl Headers {
    /// Of the request that is being handled.
    pub(crate) const fn of_request() -> Self {
        Self::of(MapType::HttpRequestHeaders)
    }

    /// Of the response that is being handled.
    pub(crate) const fn of_response() -> Self {
        Self::of(MapType::HttpResponseHeaders)
    }

    /// Fetches them now, for when the message will have gone.
    pub(crate) fn keep(&self) {
        let _ = self.all();
    }

    /// Fetches the response's trailers too, once they are there.
    pub(crate) fn read_trailers(&mut self) {
        self.trailers = HeaderPairs::new(raw::header_pairs(MapType::HttpResponseTrailers));
    }

    const fn of(kind: MapType) -> Self {
        Self { kind, first: OnceCell::new(), all: OnceCell::new(), trailers: HeaderPairs::empty() }
    }

    fn all(&self) -> &HeaderPairs {
        self.all.get_or_init(|| HeaderPairs::new(raw::header_pairs(self.kind)))
    }
}

impl Attributes for Headers {
    fn header(&self, name: &str) -> Option<&[u8]> {
        if self.all.get().is_none() && !READS_MANY.get() {
            let fetch = || First { name: name.to_owned(), value: raw::header(self.kind, name) };
            let first = self.first.get_or_init(fetch);
            if first.name == name {
                return first.value.as_deref();
            }
            READS_MANY.set(true);
        }
        self.all().header(name)
    }

    fn trailer(&self, name: &str) -> Option<&[u8]> {
        self.trailers.header(name)
    }

    fn property(&self, names: &[&str]) -> Option<Vec<u8>> {
        raw::property(names)
    }
}

/// There is another configuration, which may ask for less.
pub(crate) fn forget_habits() {
    READS_MANY.set(false);
}
