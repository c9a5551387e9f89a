//! What is longer than the rules allow, and how long it may be. These lists only shrink: an entry that is larger
//! than what it excuses is a violation too.

/// One file's excuse.
pub(crate) struct Exemption {
    pub(crate) path: &'static str,
    /// What the rule measures there now, and no more.
    pub(crate) size: usize,
    /// The day on which the entry was made.
    pub(crate) since: &'static str,
}

/// Files with more lines than fit.
pub(crate) const FILES: &[Exemption] = &[];

/// Files with functions that clippy finds too long, by their number.
pub(crate) const FUNCTIONS: &[Exemption] = &[];
