//! What rules may ask of a request or response, whoever carries it.
//!
//! Shells implement it over their own header maps; rules in this crate know nothing of Envoy or hyper.

mod pairs;

use alloc::vec::Vec;

pub use pairs::HeaderPairs;

use crate::llm::{Prompt, Usage};

/// Attributes of one HTTP message.
pub trait Attributes {
    /// The first value of a header, by lower-case name. `:path`, `:method` and `:authority` are names too.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// An attribute that the proxy knows of the request, by its names from the outermost on: `source`, `address`. Where
    /// there is no such proxy there are none.
    fn property(&self, _names: &[&str]) -> Option<Vec<u8>> {
        None
    }

    /// The first value of a trailer, by lower-case name, where the shell sees trailers.
    fn trailer(&self, _name: &str) -> Option<&[u8]> {
        None
    }

    /// What a request's body says of its size, where the shell reads bodies.
    fn prompt(&self) -> Option<Prompt> {
        None
    }

    /// What a response's body says was used, where the shell reads bodies.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// The path without its query.
    fn path(&self) -> Option<&[u8]> {
        self.header(":path").and_then(|path| path.split(|byte| *byte == b'?').next())
    }
}

/// A message whose body has been read too.
#[derive(Clone, Copy, Debug)]
pub struct WithBody<'a, A: ?Sized> {
    /// Headers and properties.
    pub head: &'a A,
    /// Of a request.
    pub prompt: Option<Prompt>,
    /// Of a response.
    pub usage: Option<Usage>,
}

impl<A: Attributes + ?Sized> Attributes for WithBody<'_, A> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.header(name)
    }

    fn property(&self, names: &[&str]) -> Option<Vec<u8>> {
        self.head.property(names)
    }

    fn trailer(&self, name: &str) -> Option<&[u8]> {
        self.head.trailer(name)
    }

    fn prompt(&self) -> Option<Prompt> {
        self.prompt
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

impl Attributes for [(alloc::string::String, Vec<u8>)] {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }
}
