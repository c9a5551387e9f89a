//! Failed instances are made anew, in the background, while the fail mode answers.
//!
//! The new one has the last good tables and all interned keys. Its buckets are empty, unless they are in books that several share: what
//! the failed one has given nobody knows, and it must not be given twice. A policy that fails again and again is made anew at longer and longer intervals.

use std::{
    sync::{Arc, Weak, atomic::Ordering, mpsc::Receiver},
    thread,
    time::{Duration, Instant},
};

use super::{Gate, Inner, Rules};
use crate::{
    error::Error,
    instance::Instance,
    shard::{Shard, State},
};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Who has not failed for so long begins with no pause again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);

/// Makes instances anew until the gate is gone.
pub(super) fn watch(gate: Weak<Inner>, failures: Receiver<u16>) -> Result<(), Error> {
    let run = move || {
        let mut pause = Duration::ZERO;
        let mut last = Instant::now();
        // Ends when the gate, which holds the other end, is gone.
        while let Ok(index) = failures.recv() {
            if last.elapsed() > FORGIVEN_AFTER {
                pause = Duration::ZERO;
            }
            thread::sleep(pause);
            last = Instant::now();
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            let Some(inner) = gate.upgrade() else { break };
            let gate = Gate { inner };
            if gate.mend(gate.shard(index)).is_err() {
                let _ = gate.inner.failed.send(index);
            }
        }
    };
    thread::Builder::new().name("tidegate-mend".into()).spawn(run).map(drop).map_err(Error::Thread)
}

impl Gate {
    fn mend(&self, shard: &Shard) -> Result<(), Error> {
        let origin = self.origin();
        let tables = self.tables();
        let (names, now) = {
            let state = shard.lock();
            (state.names.clone(), state.now)
        };
        let mut instance = self.inner.fresh(&origin, now)?;
        match self.inner.crew {
            // What the failed one has given is in the books.
            Some(_) => tables.apply_to(&mut instance, now)?,
            None => tables.take_over(&mut instance, 0, now)?,
        }
        self.prepare(&mut instance, &names)?;
        let mut state = shard.lock();
        self.enter(shard, &mut state, instance, names.len())?;
        self.inner.counters.restarts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Tells a new instance what its predecessor knew beside its tables.
    pub(super) fn prepare(&self, instance: &mut Instance, names: &[Arc<[u8]>]) -> Result<(), Error> {
        let interval_ms = self.inner.report_interval_ms.load(Ordering::Relaxed);
        if interval_ms > 0 {
            instance.set_report_interval(interval_ms)?;
        }
        let names: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
        instance.intern(&names).map(drop)
    }

    /// Puts an instance that knows the first `known` names into its place.
    pub(super) fn enter(
        &self,
        shard: &Shard,
        state: &mut State,
        mut instance: Instance,
        known: usize,
    ) -> Result<(), Error> {
        let late: Vec<Vec<u8>> = state.names.iter().skip(known).map(|name| name.to_vec()).collect();
        instance.intern(&late)?;
        state.boot = self.inner.boot();
        instance.identify(state.boot)?;
        state.tiers = instance.tiers()?.into();
        state.rules = Arc::new(Rules::of(&mut instance)?);
        state.instance = Some(instance);
        state.is_failed = false;
        state.generation = state.generation.wrapping_add(1);
        self.inner.room.lose(shard.index);
        Ok(())
    }
}
