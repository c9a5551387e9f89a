//! The workers of one Envoy that serve requests, and which of them holds the stream.
//!
//! Each VM that has seen a request is a member, by an entry in shared data that it renews. The oldest member alive
//! leads. An entry that is not renewed is dropped, so when the leader's VM dies the next oldest takes over; two leaders for
//! a moment do no harm, since tables carry epochs and reports are counted once.
//!
//! An entry also tells how many requests its worker has had lately. Envoy spreads connections, not requests, so equal parts
//! of a budget would lie idle at one worker and be missed at another: parts follow the requests. And what it holds, so that one of
//! them can tell what all of them do: a gauge of Envoy is one for all VMs, and none of them would take back what a lost one had added.

use tidegate_core::{Share, Timestamp};

use crate::host;

/// How often a member renews its entry.
const BEAT_MS: u64 = 250;
/// How long a member may be silent.
const LIFETIME_MS: u64 = 1_500;
/// Attempts to write while other members write.
const ATTEMPTS: usize = 8;
const ENTRY_BYTES: usize = 40;
/// A worker without requests keeps this part of an equal share, to begin with when some come.
const IDLE_PART: u64 = 16;

/// One worker as the others see it.
#[derive(Clone, Copy)]
struct Member {
    id: u64,
    beat_ms: u64,
    /// Requests per beat, smoothed.
    load: u64,
    holds: Holds,
}

/// What a worker holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Holds {
    /// Keys in memory.
    pub(crate) keys: u64,
    /// Requests held back.
    pub(crate) requests: u64,
}

/// One VM's membership.
pub(crate) struct Crew {
    shared_key: String,
    /// 0 until joined.
    id: u64,
    members: Vec<Member>,
    next_beat: Timestamp,
    /// Requests counted up to the last beat, and per beat, smoothed.
    requests: u64,
    load: u64,
    holds: Holds,
}

impl Crew {
    pub(crate) fn new(plugin: &str) -> Self {
        Self {
            shared_key: format!("tidegate.{plugin}.crew"),
            id: 0,
            members: Vec::new(),
            next_beat: Timestamp::default(),
            requests: 0,
            load: 0,
            holds: Holds::default(),
        }
    }

    /// This worker, unlike any other and unlike itself after a restart; 0 before it joined.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn is_member(&self) -> bool {
        self.id != 0
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.leader() == self.id && self.is_member()
    }

    pub(crate) fn leader(&self) -> u64 {
        self.members.first().map_or(0, |leader| leader.id)
    }

    /// How many workers share the budget; at least 1.
    pub(crate) fn size(&self) -> u32 {
        self.members.len().max(1) as u32
    }

    /// What all workers hold together, as each of them told last.
    pub(crate) fn holds(&self) -> Holds {
        let add = |sum: Holds, member: &Member| Holds {
            keys: sum.keys.saturating_add(member.holds.keys),
            requests: sum.requests.saturating_add(member.holds.requests),
        };
        self.members.iter().fold(Holds::default(), add)
    }

    pub(crate) fn colleagues(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.id).filter(|id| *id != self.id).collect()
    }

    /// This worker's part of every budget: by the requests it has of all.
    pub(crate) fn share(&self) -> Share {
        let size = u64::from(self.size());
        if size == 1 {
            return Share::WHOLE;
        }
        let total: u64 = self.members.iter().map(|member| member.load).sum();
        let own = self.members.iter().find(|member| member.id == self.id).map_or(0, |member| member.load);
        // An equal share of a sixteenth, and of the rest what its requests are worth.
        let by_load = if total == 0 { 1 } else { own * size };
        let unit = if total == 0 { 1 } else { total };
        Share::new(unit + (IDLE_PART - 1) * by_load, IDLE_PART * unit * size)
    }

    /// Becomes a member, younger than all others.
    pub(crate) fn join(&mut self, now: Timestamp) {
        self.update(now, |members| {
            let youngest = members.iter().map(|member| member.id).max().unwrap_or(0);
            now.nanos().max(youngest + 1)
        });
    }

    /// Renews this worker's entry when it is time, telling how many requests it has had since the beginning and what it holds. True
    /// when the crew or what it has to do has changed.
    pub(crate) fn beat(&mut self, requests: u64, holds: Holds, now: Timestamp) -> bool {
        if !self.is_member() || now < self.next_beat {
            return false;
        }
        let fresh = requests.wrapping_sub(self.requests);
        self.requests = requests;
        // Whole requests per beat would round small loads away.
        self.load = self.load.saturating_add(fresh.saturating_mul(1_000)) / 2;
        self.holds = holds;
        self.refresh(now);
        true
    }

    /// Renews this worker's entry now.
    pub(crate) fn refresh(&mut self, now: Timestamp) {
        let id = self.id;
        self.update(now, |_| id);
    }

    /// Reads the entries, drops the silent, writes this worker's under `choose`'s id; again if another was faster.
    fn update(&mut self, now: Timestamp, choose: impl Fn(&[Member]) -> u64) {
        let now_ms = now.millis();
        self.next_beat = now.plus(BEAT_MS * 1_000_000);
        for _ in 0..ATTEMPTS {
            let (bytes, read) = host::shared_data(&self.shared_key).unzip();
            let mut members = decode(&bytes.unwrap_or_default());
            // A beat from the future is from before the clock was set back.
            members.retain(|member| now_ms.abs_diff(member.beat_ms) < LIFETIME_MS);
            let id = if self.id == 0 { choose(&members) } else { self.id };
            members.retain(|member| member.id != id);
            members.push(self.entry(id, now_ms));
            members.sort_unstable_by_key(|member| member.id);
            if host::set_shared_data(&self.shared_key, &encode(&members), read) {
                (self.id, self.members) = (id, members);
                return;
            }
        }
        // Without shared data a worker is alone.
        if self.id == 0 {
            self.id = choose(&[]);
            self.members = vec![self.entry(self.id, now_ms)];
        }
    }

    const fn entry(&self, id: u64, beat_ms: u64) -> Member {
        Member { id, beat_ms, load: self.load, holds: self.holds }
    }
}

fn encode(members: &[Member]) -> Vec<u8> {
    let numbers = members
        .iter()
        .flat_map(|Member { id, beat_ms, load, holds }| [*id, *beat_ms, *load, holds.keys, holds.requests]);
    numbers.flat_map(u64::to_le_bytes).collect()
}

fn decode(bytes: &[u8]) -> Vec<Member> {
    let member = |entry: &[u8]| {
        let mut numbers = entry.chunks_exact(8).map(|bytes| bytes.try_into().map_or(0, u64::from_le_bytes));
        let (id, beat_ms, load) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let holds = Holds { keys: numbers.next()?, requests: numbers.next()? };
        Some(Member { id, beat_ms, load, holds })
    };
    bytes.chunks_exact(ENTRY_BYTES).filter_map(member).collect()
}
