//! The workers of one Envoy that serve requests, and which of them holds the stream.
//!
//! Each VM that has seen a request is a member, by an entry in shared data that it renews. The oldest member alive
//! leads. An entry that is not renewed is dropped, so when the leader's VM dies the next oldest takes over; two leaders for
//! a moment do no harm, since tables carry epochs and reports are counted once.

use proxy_wasm::hostcalls;
use tidegate_core::Timestamp;

/// How often a member renews its entry.
const BEAT_MS: u64 = 250;
/// How long a member may be silent.
const LIFETIME_MS: u64 = 1_500;
/// Attempts to write while other members write.
const ATTEMPTS: usize = 8;
const ENTRY_BYTES: usize = 16;

/// One VM's membership.
pub(crate) struct Crew {
    shared_key: String,
    /// 0 until joined.
    id: u64,
    members: Vec<(u64, u64)>,
    next_beat: Timestamp,
}

impl Crew {
    pub(crate) fn new(plugin: &str) -> Self {
        Self {
            shared_key: format!("tidegate.{plugin}.crew"),
            id: 0,
            members: Vec::new(),
            next_beat: Timestamp::default(),
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
        self.members.first().is_some_and(|(id, _)| *id == self.id)
    }

    pub(crate) fn leader(&self) -> u64 {
        self.members.first().map_or(0, |(id, _)| *id)
    }

    /// How many workers share the budget; at least 1.
    pub(crate) fn size(&self) -> u32 {
        self.members.len().max(1) as u32
    }

    pub(crate) fn colleagues(&self) -> Vec<u64> {
        self.members.iter().map(|(id, _)| *id).filter(|id| *id != self.id).collect()
    }

    /// Becomes a member, younger than all others.
    pub(crate) fn join(&mut self, now: Timestamp) {
        self.update(now, |members| {
            let youngest = members.iter().map(|(id, _)| *id).max().unwrap_or(0);
            now.nanos().max(youngest + 1)
        });
    }

    /// Renews this worker's entry when it is time. True when the crew has changed.
    pub(crate) fn beat(&mut self, now: Timestamp) -> bool {
        if !self.is_member() || now < self.next_beat {
            return false;
        }
        self.refresh(now)
    }

    /// Renews this worker's entry now. True when the crew has changed.
    pub(crate) fn refresh(&mut self, now: Timestamp) -> bool {
        let ids = |members: &[(u64, u64)]| -> Vec<u64> { members.iter().map(|(id, _)| *id).collect() };
        let before = ids(&self.members);
        let id = self.id;
        self.update(now, |_| id);
        ids(&self.members) != before
    }

    /// Reads the entries, drops the silent, writes this worker's under `choose`'s id; again if another was faster.
    fn update(&mut self, now: Timestamp, choose: impl Fn(&[(u64, u64)]) -> u64) {
        let now_ms = now.millis();
        self.next_beat = now.plus(BEAT_MS * 1_000_000);
        for _ in 0..ATTEMPTS {
            let (bytes, cas) = hostcalls::get_shared_data(&self.shared_key).unwrap_or_default();
            let mut members = decode(&bytes.unwrap_or_default());
            // A beat from the future is from before the clock was set back.
            members.retain(|(_, beat_ms)| now_ms.abs_diff(*beat_ms) < LIFETIME_MS);
            let id = choose(&members);
            members.retain(|(member, _)| *member != id);
            members.push((id, now_ms));
            members.sort_unstable();
            let written = hostcalls::set_shared_data(&self.shared_key, Some(&encode(&members)), cas);
            if written.is_ok() {
                (self.id, self.members) = (id, members);
                return;
            }
        }
        // Without shared data a worker is alone.
        if self.id == 0 {
            self.id = choose(&[]);
            self.members = vec![(self.id, now_ms)];
        }
    }
}

fn encode(members: &[(u64, u64)]) -> Vec<u8> {
    members.iter().flat_map(|(id, beat_ms)| [id.to_le_bytes(), beat_ms.to_le_bytes()].concat()).collect()
}

fn decode(bytes: &[u8]) -> Vec<(u64, u64)> {
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    let entry = |entry: &[u8]| {
        let (id, beat_ms) = entry.split_at_checked(ENTRY_BYTES / 2)?;
        Some((number(id)?, number(beat_ms)?))
    };
    bytes.chunks_exact(ENTRY_BYTES).filter_map(entry).collect()
}
