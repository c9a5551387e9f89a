//! What rules may ask of a request or response, whoever carries it.
//!
//! Shells implement it over their own header maps; rules in this crate know nothing of Envoy or hyper.

use alloc::vec::Vec;

/// Attributes of one HTTP message.
pub trait Attributes {
    /// The first value of a header, by lower-case name. `:path`, `:method` and `:authority` are names too.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// An attribute that the proxy knows of the request, by its names from the outermost on: `source`, `address`. Where
    /// there is no such proxy there are none.
    fn property(&self, _names: &[&str]) -> Option<Vec<u8>> {
        None
    }

    /// The path without its query.
    fn path(&self) -> Option<&[u8]> {
        self.header(":path").and_then(|path| path.split(|byte| *byte == b'?').next())
    }
}

impl Attributes for [(alloc::string::String, Vec<u8>)] {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }
}
