//! What rules may ask of a request or response, whoever carries it.
//!
//! Shells implement it over their own header maps; rules in this crate know nothing of Envoy or hyper.

/// Attributes of one HTTP message.
pub trait Attributes {
    /// The first value of a header, by lower-case name. `:path`, `:method` and `:authority` are names too.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

impl Attributes for [(alloc::string::String, alloc::vec::Vec<u8>)] {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }
}
