//! The queue of requests that wait for tokens.
//!
//! Better priorities go first, strictly. Within a priority it is start-time fair queueing (Goyal, Vin and Cheng 1996) over keys by the weight of
//! their tier: a key that has just been served goes behind those that have not. Nothing is debited while a request waits;
//! instead what waits is kept from everybody of the same or a worse priority, so that nobody overtakes. The queue is
//! bounded, and the worse a priority, the less of it may be full when it still gets in.

use alloc::{collections::BTreeSet, vec::Vec};

use hashbrown::HashMap;

use super::{Class, Demand, decide::Asker};
use crate::{
    table::{MAX_RESOURCES, MAX_TIERS},
    units::{Amount, Timestamp},
};

/// Virtual time that one token takes at weight 1.
const TOKEN_TIME: u64 = 1 << 20;

/// A place in the queue; hand it to `cancel` when the client has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    index: u32,
    generation: u32,
}

impl Ticket {
    /// A number that no other request in the queue has, for maps.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The ticket with this number. One that was never given is in no queue.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self { index: number as u32, generation: (number >> 32) as u32 }
    }
}

/// A request that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) key: u32,
    pub(super) tier: u8,
    /// Position of its priority among those of the table, 0 for the best.
    pub(super) rank: u8,
    pub(super) weight: u32,
    pub(super) class: Class,
    pub(super) since: Timestamp,
    pub(super) deadline: Timestamp,
    demands: [Demand; MAX_RESOURCES],
    count: u8,
}

impl Waiter {
    pub(super) fn demands(&self) -> &[Demand] {
        self.demands.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Keeps a copy of `wanted`; more than there can be resources are cut off.
    pub(super) fn new(asker: &Asker, weight: u32, wanted: &[Demand], now: Timestamp) -> Self {
        let mut demands = [Demand { resource: 0, cost: 0, estimated: false }; MAX_RESOURCES];
        demands.iter_mut().zip(wanted).for_each(|(slot, demand)| *slot = *demand);
        Self {
            key: asker.key,
            tier: asker.tier,
            rank: asker.rank,
            weight,
            class: asker.class,
            since: now,
            deadline: now.plus(asker.max_wait_ns),
            demands,
            count: wanted.len().min(MAX_RESOURCES) as u8,
        }
    }
}

/// A request's place in the order: rank, start tag, arrival.
type Place = (u8, u64, u64, u32);

#[derive(Clone, Debug)]
struct Cell {
    generation: u32,
    waiter: Option<(Waiter, Place)>,
}

/// Everybody who waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    cells: Vec<Cell>,
    free: Vec<u32>,
    order: BTreeSet<Place>,
    deadlines: BTreeSet<(Timestamp, u32)>,
    /// Finish tag of a key's last request and how many of its requests wait.
    flows: HashMap<u32, (u64, u32)>,
    /// Virtual time of each rank.
    virtual_time: [u64; MAX_TIERS],
    /// Tokens that wait, by resource, at a rank or a better one.
    kept: [[i128; MAX_TIERS]; MAX_RESOURCES],
    arrivals: u64,
    max: usize,
}

impl Waiting {
    pub(super) fn new(max: u32) -> Self {
        Self {
            cells: Vec::new(),
            free: Vec::new(),
            order: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            flows: HashMap::new(),
            virtual_time: [0; MAX_TIERS],
            kept: [[0; MAX_TIERS]; MAX_RESOURCES],
            arrivals: 0,
            max: max as usize,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Tokens of a resource that wait at `rank` or a better one.
    pub(super) fn kept(&self, resource: u8, rank: u8) -> Amount {
        let kept = self.kept.get(usize::from(resource)).and_then(|kept| kept.get(usize::from(rank)));
        Amount(kept.map_or(0, |kept| i64::try_from(*kept).unwrap_or(i64::MAX)))
    }

    /// Tokens of a resource that wait at ranks better than `rank`.
    pub(super) fn kept_before(&self, resource: u8, rank: u8) -> Amount {
        rank.checked_sub(1).map_or(Amount::ZERO, |better| self.kept(resource, better))
    }

    /// Whether somebody of this rank gets in: each rank may fill half of what the better one may.
    pub(super) fn has_room(&self, rank: u8) -> bool {
        self.len() < self.max >> rank
    }

    /// Queues a request; the caller has made room.
    pub(super) fn push(&mut self, waiter: Waiter) -> Ticket {
        let index = self.free.pop().unwrap_or_else(|| {
            self.cells.push(Cell { generation: 0, waiter: None });
            (self.cells.len() - 1) as u32
        });
        let cost: u64 = waiter.demands().iter().fold(0, |sum, demand| sum.saturating_add(demand.cost));
        let now = self.virtual_time.get(usize::from(waiter.rank)).copied().unwrap_or(0);
        let (finish, waiting) = self.flows.entry(waiter.key).or_insert((0, 0));
        let start = now.max(*finish);
        *finish = start.saturating_add(cost.saturating_mul(TOKEN_TIME) / u64::from(waiter.weight.max(1)));
        *waiting += 1;
        self.arrivals += 1;
        let place = (waiter.rank, start, self.arrivals, index);
        self.order.insert(place);
        self.deadlines.insert((waiter.deadline, index));
        self.keep(&waiter, 1);
        let Some(cell) = self.cells.get_mut(index as usize) else { return Ticket { index, generation: 0 } };
        cell.waiter = Some((waiter, place));
        Ticket { index, generation: cell.generation }
    }

    /// Who is next at a rank.
    pub(super) fn head(&self, rank: u8) -> Option<(Ticket, Waiter)> {
        let first = self.order.range((rank, 0, 0, 0)..).next().filter(|place| place.0 == rank)?;
        self.at(first.3)
    }

    /// Whose time is over first, and when.
    pub(super) fn first_deadline(&self) -> Option<(Timestamp, Ticket)> {
        let (deadline, index) = *self.deadlines.first()?;
        Some((deadline, self.at(index)?.0))
    }

    /// Takes a request out of the queue; `served` moves its rank's virtual time on.
    pub(super) fn remove(&mut self, ticket: Ticket, served: bool) -> Option<Waiter> {
        let cell = self.cells.get_mut(ticket.index as usize)?;
        if cell.generation != ticket.generation {
            return None;
        }
        let (waiter, place) = cell.waiter.take()?;
        cell.generation = cell.generation.wrapping_add(1);
        self.free.push(ticket.index);
        self.order.remove(&place);
        self.deadlines.remove(&(waiter.deadline, ticket.index));
        self.keep(&waiter, -1);
        if let Some(now) = self.virtual_time.get_mut(usize::from(waiter.rank))
            && served
        {
            *now = place.1.max(*now);
        }
        self.leave_flow(&waiter);
        Some(waiter)
    }

    /// Gives everybody the tier, rank and weight that `place` says, as a new table orders them.
    pub(super) fn reorder(&mut self, place: impl Fn(u8) -> (u8, u8, u32)) {
        for cell in &mut self.cells {
            let Some((waiter, old)) = &mut cell.waiter else { continue };
            (waiter.tier, waiter.rank, waiter.weight) = place(waiter.tier);
            self.order.remove(old);
            old.0 = waiter.rank;
            self.order.insert(*old);
        }
        self.kept = [[0; MAX_TIERS]; MAX_RESOURCES];
        let waiting: Vec<Waiter> = self.cells.iter().filter_map(|cell| Some(cell.waiter?.0)).collect();
        waiting.iter().for_each(|waiter| self.keep(waiter, 1));
    }

    /// A key's finish tag counts while virtual time has not passed it, but never holds more memory than the queue.
    fn leave_flow(&mut self, waiter: &Waiter) {
        let passed = self.virtual_time.get(usize::from(waiter.rank)).copied().unwrap_or(u64::MAX);
        if let Some((finish, waiting)) = self.flows.get_mut(&waiter.key) {
            *waiting -= 1;
            if *waiting == 0 && *finish <= passed {
                self.flows.remove(&waiter.key);
            }
        }
        if self.order.is_empty() {
            self.flows.clear();
        } else if self.flows.len() > 2 * self.max {
            self.flows.retain(|_, (_, waiting)| *waiting > 0);
        }
    }

    fn at(&self, index: u32) -> Option<(Ticket, Waiter)> {
        let cell = self.cells.get(index as usize)?;
        let (waiter, _) = cell.waiter?;
        Some((Ticket { index, generation: cell.generation }, waiter))
    }

    fn keep(&mut self, waiter: &Waiter, sign: i128) {
        for demand in waiter.demands() {
            let Some(kept) = self.kept.get_mut(usize::from(demand.resource)) else { continue };
            let cost = Amount::from_tokens(demand.cost).0;
            for kept in kept.iter_mut().skip(usize::from(waiter.rank)) {
                *kept += i128::from(cost) * sign;
            }
        }
    }
}
