//! What frames mean: an instance of the policy that decides nothing, and reads and writes the stream's payloads.

pub(super) use crate::bindings::exports::tidegate::admission::sync::Message;
use crate::{
    error::Error,
    gate::Gate,
    instance::{Instance, Purpose},
    time::Timestamp,
};

/// An instance for one conversation.
pub(super) struct Clerk {
    instance: Instance,
}

impl Clerk {
    pub(super) fn new(gate: &Gate, now: Timestamp) -> Result<Self, Error> {
        Ok(Self { instance: gate.spare(now)? })
    }

    /// Where the forecaster is.
    pub(super) fn address(&mut self) -> Result<Option<String>, Error> {
        self.instance.call(Purpose::Upkeep, |policy, store| policy.sync().address(store))
    }

    /// The payload of the first frame.
    pub(super) fn hello(
        &mut self,
        boot: u64,
        (epoch, snapshot): (u64, u64),
    ) -> Result<Option<Vec<u8>>, Error> {
        self.instance.call(Purpose::Upkeep, |policy, store| policy.sync().hello(store, boot, epoch, snapshot))
    }

    /// Takes a frame.
    pub(super) fn receive(&mut self, kind: i32, payload: &[u8]) -> Result<Message, Error> {
        self.instance.call(Purpose::Upkeep, |policy, store| policy.sync().receive(store, kind, payload))
    }

    /// The payload that tells what became of a table.
    pub(super) fn acknowledge(
        &mut self,
        (epoch, snapshot): (u64, u64),
        error: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        self.instance.call(Purpose::Upkeep, |policy, store| {
            policy.sync().acknowledge_table(store, epoch, snapshot, error)
        })
    }
}
