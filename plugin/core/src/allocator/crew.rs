//! A crew: workers that share their budgets through books in cells, each deciding almost every request from its leases.
//!
//! A decision is quoted from what this worker knows, and paid by the books: where others were faster the books refuse, the
//! worker has seen them then, and quotes again. What is looked at before a quote is only what it depends on: nothing while
//! the lease covers the request and tokens are plenty, else the pool, and where that is short the reserved bucket, the
//! contract, the emergency pool.
//!
//! A contract is told to the others when its key finds tokens scarce, and whenever much of it has been used; until then
//! its use is counted here. The queue, burst credit, and each key's most of the emergency pool are each worker's own.
//!
//! What is held, of which nothing is refilled, is divided: tokens that a worker takes along would never come back, and neither would
//! lost books. Each worker has its part, as without a crew.

use alloc::sync::Arc;

use super::{
    Allocator, Demand,
    budget::{EMERGENCY, Shared},
    decide::{Asker, Draw},
};
use crate::{
    lease::{Birth, Broker, Cells, Terms},
    table::DrawOrder,
    units::{Amount, KeyHash, Rate, Share, Timestamp},
};

/// The cells in which a crew keeps its books: one for each resource, and some thousands for buckets below their depth.
pub type CrewCells = Arc<dyn Cells + Send + Sync>;

/// What a worker is told of its crew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crew {
    /// How many workers it has.
    pub workers: u32,
    /// How books begin that nobody has written: full only at the very first start.
    pub birth: Birth,
}

impl Allocator {
    /// Shares all budgets with the workers that have the same cells, resources and tables; what is in this one's own is
    /// dropped. From now on every `now` has to be of one clock that does not jump, the same for all workers.
    /// The table in force has to be applied again then, and may be; one on its way has to be staged again.
    pub fn join_crew(&mut self, cells: &CrewCells, crew: Crew, now: Timestamp) {
        self.end_installation(now);
        let now = self.begin(now, 0);
        (self.policy.epoch, self.policy.snapshot_epoch) = (0, 0);
        (self.share, self.crew) = (Share::WHOLE, Some(crew));
        let pools = self.resources.len() as u32;
        for (pool, resource) in (0..).zip(&mut self.resources) {
            let terms = Terms {
                epoch: 0,
                step: 0,
                since: now,
                capacity: Rate::ZERO,
                burst: Amount::ZERO,
                reserved_rate: Rate::ZERO,
                reserved_depth: Amount::ZERO,
                workers: crew.workers,
                birth: crew.birth,
            };
            resource.budget.share(Shared::new(Broker::new(Arc::clone(cells), pools), pool, terms));
            resource.set_capacity(&self.policy, Share::WHOLE, now);
        }
    }

    /// Takes over what has changed about the crew; nothing before it has been joined.
    pub fn set_crew(&mut self, crew: Crew) {
        if self.crew.is_none() {
            return;
        }
        self.crew = Some(crew);
        for resource in &mut self.resources {
            if resource.budget.is_held() {
                // Its parts are of another size.
                (self.policy.epoch, self.policy.snapshot_epoch) = (0, 0);
            }
            let Crew { workers, birth } = crew;
            resource.budget.set_terms(|terms| Terms { workers, birth, ..*terms });
        }
    }

    /// The crew that has been joined.
    #[must_use]
    pub const fn crew(&self) -> Option<Crew> {
        self.crew
    }

    /// What this worker has of a table, and whether only of what is held.
    pub(super) fn part(&self) -> (Share, bool) {
        self.crew.map_or((self.share, false), |crew| (Share::new(1, u64::from(crew.workers)), true))
    }

    /// Gives all leases back; to be called before a worker ends. Whoever ends without it takes along what it held.
    pub fn give_leases_back(&mut self, now: Timestamp) {
        self.resources.iter_mut().for_each(|resource| resource.budget.give_back(false, now));
    }

    /// Brings what others may have changed up to date, as far as a demand depends on it.
    pub(super) fn look_around(&mut self, asker: &Asker, demand: &Demand, now: Timestamp) {
        let ahead = self.ahead(asker, demand.resource);
        let hash = self.hash_of(asker.key);
        let Some(slot) = self.keys.slot_mut(asker.key, demand.resource) else { return };
        let resource = self.resources.get_mut(usize::from(demand.resource));
        let Some(resource) = resource.filter(|resource| resource.budget.is_shared()) else { return };
        let cost = Amount::from_tokens(demand.cost);
        let (floor, highest) = resource.floors(asker);
        let [keep, plenty] = [floor, highest].map(|floor| Amount(floor.0.saturating_add(ahead.0)));
        let level = resource.budget.look_at_pool(cost, plenty, now);
        let leaves = level.0.saturating_sub(cost.0);
        let is_scarce = leaves < plenty.0;

        resource.left_seen = None;
        let mut left = Amount(i64::MAX);
        if let Some(contract) = resource.contract(slot, asker.tier) {
            let used = slot.standard.counted();
            if is_scarce || !asker.borrows || used > resource.budget.untold(contract.1) {
                left = resource.budget.tell_contract(hash, contract, used, now);
                slot.standard.forget();
                resource.left_seen = Some(left);
            }
        }

        let pool_pays = leaves >= keep.0 && (left >= cost || (asker.borrows && !is_scarce));
        if !pool_pays || self.policy.draw_order == DrawOrder::ShadowFirst {
            let shadow = slot.own_shadow().unwrap_or_else(|| u32::from(asker.tier));
            resource.budget.look_at_shadow(shadow, hash, now);
        }
        if !pool_pays && asker.has_emergency {
            resource.budget.look_at_shadow(EMERGENCY, hash, now);
        }
    }

    /// Pays everything that was quoted, or nothing; without a crew [`Allocator::commit`] does.
    pub(super) fn pay_all(&mut self, asker: &Asker, now: Timestamp) -> bool {
        if self.crew.is_none() {
            return true;
        }
        for index in 0..self.draws.len() {
            if !self.with_draw(asker, index, |budget, draw, shadow, hash| budget.pay(draw, shadow, hash, now))
            {
                for earlier in 0..index {
                    self.with_draw(asker, earlier, |budget, draw, shadow, hash| {
                        budget.settle_shared(draw, shadow, hash, 0, now);
                        true
                    });
                }
                return false;
            }
        }
        true
    }

    fn with_draw(
        &mut self,
        asker: &Asker,
        index: usize,
        act: impl FnOnce(&mut super::Budget, &Draw, u32, KeyHash) -> bool,
    ) -> bool {
        let hash = self.hash_of(asker.key);
        let Some(draw) = self.draws.get(index) else { return false };
        let Some(slot) = self.keys.slot(asker.key, draw.resource) else { return false };
        let Some(resource) = self.resources.get_mut(usize::from(draw.resource)) else { return false };
        if !resource.budget.is_shared() {
            return true;
        }
        let shadow = slot.own_shadow().unwrap_or_else(|| u32::from(asker.tier));
        act(&mut resource.budget, draw, shadow, hash)
    }

    pub(super) fn hash_of(&self, key: u32) -> KeyHash {
        self.keys.entry(key).map_or(KeyHash::default(), |entry| entry.hash)
    }
}
