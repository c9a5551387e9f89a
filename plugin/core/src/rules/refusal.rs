//! What a refusal may become: the request passes on, marked, for the proxy to send it where it does less harm.

use alloc::{string::String, vec::Vec};

/// What a refusal becomes. Nothing is debited for such a request, and nothing is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnRefusal {
    /// How it is counted.
    pub what: Instead,
    /// Headers set on the request, and removed from requests of clients: names and values.
    pub headers: Vec<(String, String)>,
}

/// The word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// It goes where it would have gone.
    Tag,
    /// It goes to something cheaper of the same kind.
    Downgrade,
    /// It goes to somebody else.
    Reroute,
}
