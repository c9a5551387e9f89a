//! What the instance keeps between calls. One static: an instance is one worker, called by one host.

use std::cell::RefCell;

use tidegate_core::{Allocator, Timestamp, config::Config, gate::Gate, report::Report, transfer::Assembly};

use crate::http::Attribute;

/// Everything.
pub(crate) struct State {
    pub(crate) policy: Policy,
    pub(crate) keys: Keys,
    /// Of the configuration in force.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) assembly: Assembly,
    /// What a former configuration had not reported yet.
    pub(crate) unreported: Option<Report>,
}

/// What decides.
pub(crate) enum Policy {
    /// Nothing has been said yet.
    Unset(Box<Gate>),
    /// Started with an explicit set-up.
    Plain(Box<Allocator>),
    /// Configured.
    Gate(Box<Gate>),
}

/// Interned keys, one behind the other in one allocation.
#[derive(Default)]
pub(crate) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::new());
}

/// Runs `act` on the state.
pub(crate) fn with<T>(act: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(act)
}

/// Runs `act` on the allocator.
pub(crate) fn with_allocator<T>(act: impl FnOnce(&mut Allocator) -> T) -> T {
    with(|state| act(state.policy.allocator()))
}

impl State {
    fn new() -> Self {
        let gate = Gate::new(Config::default(), Timestamp::default());
        Self {
            policy: Policy::Unset(Box::new(gate)),
            keys: Keys::default(),
            attributes: Vec::new(),
            assembly: Assembly::default(),
            unreported: None,
        }
    }
}

impl Policy {
    pub(crate) fn allocator(&mut self) -> &mut Allocator {
        match self {
            Self::Plain(allocator) => allocator,
            Self::Unset(gate) | Self::Gate(gate) => gate.allocator_mut(),
        }
    }

    /// The configuration, where there is one.
    pub(crate) fn config(&self) -> Option<&Config> {
        match self {
            Self::Gate(gate) => Some(gate.config()),
            Self::Unset(_) | Self::Plain(_) => None,
        }
    }
}

impl Keys {
    /// Names one more key; ids count up.
    pub(crate) fn add(&mut self, key: &[u8]) -> u32 {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len() as u32);
        self.ends.len() as u32 - 1
    }

    pub(crate) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    pub(crate) fn get(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        let end = *self.ends.get(id)? as usize;
        let start = id.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        self.bytes.get(start..end)
    }
}
