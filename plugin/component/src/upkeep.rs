//! The interface `upkeep`: tables in, reports out, and what is due without a request.

use tidegate_core::{Crew, Progress as Stretch, Share, Timestamp, lease::Birth};

use crate::{
    bindings::{
        Policy as Component,
        exports::tidegate::admission::upkeep::{Guest, Progress, Standing, UsageReport},
    },
    crew,
    state::{self, Policy},
};

impl Guest for Component {
    fn stage(table: Vec<u8>, now: u64) -> Result<(), String> {
        let now = Timestamp::from_nanos(now);
        state::with_allocator(|allocator| allocator.stage(table, now)).map_err(|error| error.to_string())
    }

    fn install(keys: u32, now: u64) -> Progress {
        match state::with_allocator(|allocator| allocator.install(keys, Timestamp::from_nanos(now))) {
            Stretch::Idle => Progress::Idle,
            Stretch::Working => Progress::Working,
            Stretch::Installed(epoch) => Progress::Installed(epoch),
            Stretch::Refused(error) => Progress::Refused(error.to_string()),
        }
    }

    fn join_crew(workers: u32, cells: u32, now: u64) {
        // The host's cells outlive whoever fails: what is not there yet nobody has drawn on.
        let crew = Crew { workers, birth: Birth::First };
        let cells = crew::cells(cells);
        state::with_allocator(|allocator| allocator.join_crew(&cells, crew, Timestamp::from_nanos(now)));
    }

    fn give_back(now: u64) {
        state::with_allocator(|allocator| allocator.give_leases_back(Timestamp::from_nanos(now)));
    }

    fn set_share(part: u64, whole: u64, now: u64) {
        let share = Share::new(part, whole);
        state::with_allocator(|allocator| allocator.set_share(share, Timestamp::from_nanos(now)));
    }

    fn fullness(now: u64) -> u32 {
        state::with_allocator(|allocator| {
            allocator.fullness(Timestamp::from_nanos(now)).map_or(0, Share::units)
        })
    }

    fn drain(now: u64) {
        state::with_allocator(|allocator| allocator.drain_pools(Timestamp::from_nanos(now)));
    }

    fn advance(now: u64) {
        state::with_allocator(|allocator| allocator.advance(Timestamp::from_nanos(now)));
    }

    fn set_report_interval(interval_ms: u32) {
        state::with_allocator(|allocator| allocator.set_report_interval(interval_ms));
    }

    fn identify(boot: u64) {
        state::with(|state| {
            if let Policy::Gate(gate) = &mut state.policy {
                gate.identify(boot);
            }
        });
    }

    fn report(boot: u64) -> Option<UsageReport> {
        let report = state::with(|state| match state.unreported.take() {
            // From before another configuration, which did not know the boot.
            Some(mut former) => {
                former.boot = boot;
                Some(former)
            }
            None => state.policy.allocator().report(boot),
        })?;
        Some(UsageReport { seq: report.seq, bytes: report.encode() })
    }

    fn describe() -> Standing {
        state::with_allocator(|allocator| Standing {
            epoch: allocator.epoch(),
            snapshot_epoch: allocator.snapshot_epoch(),
            table: allocator.table_state().into(),
            keys: allocator.key_count() as u64,
            waiting: allocator.waiting() as u64,
            requests: allocator.requests(),
        })
    }

    fn tiers() -> Vec<String> {
        state::with_allocator(|allocator| allocator.tier_names().map(str::to_owned).collect())
    }
}
