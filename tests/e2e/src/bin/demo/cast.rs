//! The customers of a demo.

/// One customer.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    /// The throttling key.
    pub(crate) key: String,
    /// The tier that it has bought.
    pub(crate) tier: &'static str,
    /// What it does, for people.
    pub(crate) what: &'static str,
}
