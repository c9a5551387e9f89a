//! *fallback*: with everything switched off leases are one bucket.

use proptest::prelude::*;

use super::*;

proptest! {
    /// A worker alone with reservations, floors and leases switched off is the bucket (C, B), decision by decision.
    #[test]
    fn fallback_without_leases_equals_one_bucket(
        per_s in 0.1..500.0_f64,
        burst in 1_u64..100,
        requests in prop::collection::vec((0_u64..20, 0_u64..SECOND / 4), 1..300),
    ) {
        let rate = Rate::from_micro_per_s(MicroRate::from_per_s(per_s));
        let mut now = Timestamp::from_nanos(SECOND);
        let terms = Terms {
            epoch: 1,
            step: 0,
            since: now,
            capacity: rate,
            burst: Amount::from_tokens(burst),
            reserved_rate: Rate::ZERO,
            reserved_depth: Amount::ZERO,
            workers: u32::MAX,
            birth: Birth::First,
        };
        let broker = Broker::new(AtomicCells::new(1), 1);
        let mut lease = Lease::default();
        let full = i128::from(burst) << 52;
        let mut level = full;
        for (cost, wait) in requests {
            // Far enough apart that a refusal is never from memory.
            let wait = wait + 10_000_000;
            now = now.plus(wait);
            level = (level + i128::from(rate.0) * i128::from(wait)).min(full);
            let fits = level >= i128::from(cost) << 52;
            let ask = Ask { cost: Amount::from_tokens(cost), keep: Amount::ZERO };
            prop_assert_eq!(broker.draw(0, &mut lease, ask, &terms, now), fits);
            if fits {
                level -= i128::from(cost) << 52;
            }
        }
    }
}
