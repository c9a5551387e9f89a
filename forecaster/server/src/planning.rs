//! From what is known to the next table: asks the planner and wraps its result.

use std::sync::Arc;

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use tidegate_core::{
    KeyHash,
    plan::plan,
    table::{Baseline, Grant, Reservation, Table, TableError},
    transfer,
};
use tidegate_learn::{Learner, plan_input};

use crate::config::Config;

/// The plan in force: what every proxy is to have.
pub(crate) struct Plan {
    pub(crate) table: Table,
    /// The last snapshot, and what has changed since: a proxy needs the first once, and only the newest of the second.
    pub(crate) snapshot: Arc<Parcel>,
    pub(crate) delta: Option<Arc<Parcel>>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub(crate) made_at_ms: u64,
}

/// A table on its way: frames ready to be sent to any number of proxies.
pub(crate) struct Parcel {
    pub(crate) epoch: u64,
    pub(crate) announcement: Bytes,
    pub(crate) chunks: Vec<Bytes>,
}

impl Parcel {
    /// Signs a table if there is a key, and cuts it up.
    fn new(table: &Table, key: Option<&SigningKey>) -> Arc<Self> {
        let sign = |message: &[u8]| key.map_or_else(Vec::new, |key| key.sign(message).to_bytes().to_vec());
        let (announcement, chunks) = transfer::split(table.epoch, &table.encode(), sign);
        let chunks = chunks.iter().map(|chunk| chunk.encode().into()).collect();
        Arc::new(Self { epoch: table.epoch, announcement: announcement.encode().into(), chunks })
    }

    /// Size on the wire.
    pub(crate) fn bytes(&self) -> usize {
        self.announcement.len() + self.chunks.iter().map(Bytes::len).sum::<usize>()
    }
}

/// Makes one plan after the other, each as a delta on the last snapshot where that is smaller.
pub(crate) struct Planner {
    key: Option<SigningKey>,
    last: Option<(Baseline, Arc<Parcel>)>,
}

impl Planner {
    pub(crate) const fn new(key: Option<SigningKey>) -> Self {
        Self { key, last: None }
    }

    /// Plans from step `from` on.
    ///
    /// # Errors
    /// When the planner's table breaks one of the table's own rules: it must not be pushed then.
    pub(crate) fn make(
        &mut self,
        config: &Config,
        learner: &Learner,
        epoch: u64,
        from: u64,
        now_ms: u64,
    ) -> Result<Arc<Plan>, TableError> {
        let table = plan(&plan_input(&config.policy(), learner, epoch, from));
        table.check()?;
        let key = self.key.as_ref();
        let delta = self.last.as_mut().and_then(|(baseline, _)| baseline.delta(&table));
        let (snapshot, delta) = match (&self.last, delta) {
            (Some((_, snapshot)), Some(delta)) => (Arc::clone(snapshot), Some(Parcel::new(&delta, key))),
            _ => {
                let snapshot = Parcel::new(&table, key);
                self.last = Some((Baseline::new(table.clone()), Arc::clone(&snapshot)));
                (snapshot, None)
            }
        };
        Ok(Arc::new(Plan { table, snapshot, delta, made_at_ms: now_ms }))
    }
}

impl Plan {
    /// What a proxy that has the snapshot is sent, in bytes.
    pub(crate) fn pushed_bytes(&self) -> usize {
        self.delta.as_ref().unwrap_or(&self.snapshot).bytes()
    }

    /// Index of the step that `now_ms` lies in; `None` before the first and after the last.
    pub(crate) fn step_at(&self, now_ms: u64) -> Option<usize> {
        let since_ms = now_ms.checked_sub(self.table.starts_at_ms)?;
        let index = since_ms / u64::from(self.table.step_ms.max(1));
        (index < u64::from(self.table.steps)).then_some(usize::try_from(index).ok()?)
    }

    /// When a step begins, in milliseconds since the Unix epoch.
    pub(crate) fn starts_at_ms(&self, step: usize) -> u64 {
        self.table.starts_at_ms + step as u64 * u64::from(self.table.step_ms)
    }

    /// Everything reserved of one resource in one step, in tokens per second.
    pub(crate) fn guaranteed_per_s(&self, resource: usize, step: usize) -> f64 {
        let tiers =
            self.table.resources.get(resource).map_or(&[][..], |resource| &resource.tier_reservations);
        let shared = tiers.iter().map(|steps| steps.step(step));
        let grants = self.table.keys.iter().flat_map(|key| &key.grants);
        let own = grants.filter(|grant| usize::from(grant.resource) == resource);
        let own = own.map(|grant| grant.reservations.step(step));
        shared.chain(own).map(|reservation| reservation.rate.per_s()).sum()
    }

    /// What a key has of a resource by name of its own.
    pub(crate) fn grant(&self, key: &str, resource: usize) -> Option<&Grant> {
        let hash = KeyHash::of(key.as_bytes());
        let key = self.table.keys.iter().find(|key| key.hash == hash)?;
        key.grants.iter().find(|grant| usize::from(grant.resource) == resource)
    }

    /// The reservation that keys of a tier share when they have none of their own.
    pub(crate) fn tier_reservation(&self, resource: usize, tier: u8, step: usize) -> Option<Reservation> {
        let resource = self.table.resources.get(resource)?;
        Some(resource.tier_reservations.get(usize::from(tier))?.step(step))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tidegate_learn::Used;

    use super::*;

    fn row(key: &str, demand: u64) -> Used<'_> {
        Used { key, resource: 0, demand, largest: 1 }
    }

    #[test]
    fn many_small_customers_travel_as_a_delta_of_those_that_changed() {
        let customers: String = (0..200).map(|number| format!("  c{number}: {{ tier: bronze }}\n")).collect();
        let text = format!(
            "report_interval_s: 1\nforecast: {{ step_s: 1, season_s: 4, horizon_steps: 3 }}\n\
             resources: {{ requests: {{ capacity_per_s: 100, burst: 100 }} }}\n\
             tiers: {{ bronze: {{}} }}\ndefault_tier: bronze\ncustomers:\n{customers}"
        );
        let config = crate::config::parse(&text, Path::new("/"), &|_| None).unwrap();
        let mut learner = Learner::new(&config.learning(), 1);
        let mut planner = Planner::new(None);
        let first = planner.make(&config, &learner, 7, 1, 1234).unwrap();
        learner.observe(&config.customers, 0, [row("busy", 50)]);
        learner.predict(1, 3);
        let second = planner.make(&config, &learner, 8, 1, 2234).unwrap();
        let delta = second.delta.as_ref().unwrap();
        assert_eq!((second.snapshot.epoch, delta.epoch, second.table.keys.len()), (7, 8, 201));
        assert!(
            delta.bytes() * 4 < first.snapshot.bytes(),
            "{} of {}",
            delta.bytes(),
            first.snapshot.bytes()
        );
    }

    #[test]
    fn customers_and_active_keys_are_planned_and_silent_strangers_are_not() {
        let text = "report_interval_s: 1\nforecast: { step_s: 1, season_s: 4, horizon_steps: 3 }\n\
             resources: { requests: { capacity_per_s: 100, burst: 100, reservable_share: 0.8 } }\n\
             tiers: { gold: {}, bronze: {} }\ndefault_tier: bronze\n\
             customers: { acme: { tier: gold, contract: { requests: { rate_per_s: 5, burst: 5 } } } }\n";
        let config = crate::config::parse(text, Path::new("/"), &|_| None).unwrap();
        let mut learner = Learner::new(&config.learning(), 1);
        learner.observe(&config.customers, 0, [row("busy", 50), row("silent", 0)]);
        learner.predict(1, 3);
        let input = plan_input(&config.policy(), &learner, 7, 1);
        assert_eq!((input.starts_at_ms, input.valid_until_ms), (1000, 4000));
        let [acme, busy] = &input.customers[..] else { panic!("{:?}", input.customers) };
        assert_eq!((acme.tier, busy.tier), (0, 1));
        assert!(acme.demands[0].contract.is_some() && acme.demands[0].forecast.is_empty());
        assert_eq!(busy.demands[0].forecast.len(), 3);

        let mut planner = Planner::new(Some(SigningKey::from_bytes(&[1; 32])));
        let plan = planner.make(&config, &learner, 7, 1, 1234).unwrap();
        assert_eq!((plan.snapshot.epoch, plan.delta.is_none()), (7, true));
        let mut assembly = transfer::Assembly::new(Some(SigningKey::from_bytes(&[1; 32]).verifying_key()));
        assembly.announce(&transfer::Announcement::decode(&plan.snapshot.announcement).unwrap()).unwrap();
        let chunk = transfer::Chunk::decode(&plan.snapshot.chunks[0]).unwrap();
        assert_eq!(Table::decode(&assembly.add(&chunk).unwrap().unwrap()).unwrap(), plan.table);
        assert_eq!((plan.step_at(999), plan.step_at(1000), plan.step_at(3999)), (None, Some(0), Some(2)));
        assert_eq!(plan.step_at(4000), None);
        assert!(plan.guaranteed_per_s(0, 0) > 0.0);
        assert!(plan.guaranteed_per_s(0, 0) <= 80.0 + 1e-6);
    }
}
