//! The receipts of a script: what each was opened for, and which the allocator may have given up by itself.

use std::collections::VecDeque;

use tidegate_conformance::{Part, Recent};

/// Most receipts looked at for what they may have given back.
const MOST: usize = 4_096;

/// Receipts in the order in which they were opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipts {
    /// Numbers, as the player remembers receipts.
    recent: Recent<u64>,
    open: VecDeque<Open>,
    opened: u64,
    max: u64,
    ttl_ns: u64,
}

#[derive(Clone, Debug)]
struct Open {
    number: u64,
    expires_ns: u64,
    parts: Vec<Part>,
    /// Resources of which its parts mean nothing any more, one bit each.
    forgotten: u64,
}

impl Receipts {
    pub(super) fn new(max: u32, ttl_ms: u64) -> Self {
        Self { max: u64::from(max.max(1)), ttl_ns: ttl_ms.saturating_mul(1_000_000), ..Self::default() }
    }

    /// Keeps a receipt that was opened at `now_ns`, with the parts whose cost is open.
    pub(super) fn keep(&mut self, parts: Vec<Part>, now_ns: u64) {
        self.opened += 1;
        self.recent.keep(self.opened);
        let expires_ns = now_ns.saturating_add(self.ttl_ns);
        self.open.push_back(Open { number: self.opened, expires_ns, parts, forgotten: 0 });
        if self.open.len() > MOST {
            self.open.pop_front();
        }
    }

    /// What any receipt has of this resource means nothing any more.
    pub(super) fn forget(&mut self, resource: u8) {
        self.open.iter_mut().for_each(|open| open.forgotten |= 1 << (resource % 64));
    }

    /// Takes out the parts of the receipt that was kept `back` others ago.
    pub(super) fn settle(&mut self, back: u32) -> Vec<Part> {
        let number = self.recent.pick(back).copied();
        let at = self.open.iter().position(|open| Some(open.number) == number);
        let Some(mut open) = at.and_then(|at| self.open.remove(at)) else { return Vec::new() };
        let forgotten = open.forgotten;
        open.parts.retain(|part| forgotten & 1 << (part.resource % 64) == 0);
        open.parts
    }

    /// Whether there may be no room for another: as many as there can be hold tokens of these resources, and stay.
    pub(super) fn may_be_full(&self, is_held: impl Fn(u8) -> bool) -> bool {
        let holds = |open: &&Open| open.parts.iter().any(|part| is_held(part.resource));
        self.open.iter().filter(holds).count() as u64 >= self.max
    }

    /// The costs of all parts on `resource` whose receipts may have been given up by `now_ns`.
    pub(super) fn all_given_up(&self, resource: u8, now_ns: u64) -> u64 {
        let last = self.last_given_up();
        let gone = self.open.iter().filter(|open| open.is_gone(now_ns, last) && open.means(resource));
        let parts = gone.flat_map(|open| &open.parts).filter(|part| part.resource == resource);
        parts.map(|part| part.cost).sum()
    }

    /// Takes out the cost of one part on `resource` whose receipt may have been given up by `now_ns`.
    pub(super) fn given_up(&mut self, resource: u8, now_ns: u64) -> Option<u64> {
        let last = self.last_given_up();
        self.open.iter_mut().filter(|open| open.is_gone(now_ns, last) && open.means(resource)).find_map(
            |open| {
                let at = open.parts.iter().position(|part| part.resource == resource)?;
                Some(open.parts.swap_remove(at).cost)
            },
        )
    }

    /// The number of the last receipt that may have been given up for one too many.
    const fn last_given_up(&self) -> u64 {
        self.opened.saturating_sub(self.max)
    }
}

impl Open {
    /// Whether it may have been given up by `now_ns`: too old, or among the numbers up to `last`.
    const fn is_gone(&self, now_ns: u64, last: u64) -> bool {
        now_ns >= self.expires_ns || self.number <= last
    }

    /// Whether what it has of a resource means anything.
    const fn means(&self, resource: u8) -> bool {
        self.forgotten & 1 << (resource % 64) == 0
    }
}
