//! Tables that come into force piece by piece.

use proptest::prelude::*;

use super::*;

/// A table of gold customers, some with a reservation of their own.
fn customers(epoch: u64, owners: u64) -> Vec<u8> {
    let mut table = table(100.0, 100, 60);
    table.epoch = epoch;
    for number in 0..20 {
        let own = if number < owners { reservation(1.0, 3) } else { Reservation::default() };
        table.keys.push(key(&alloc::format!("customer-{number}"), 0, None, own, 60));
    }
    table.encode()
}

fn install(allocator: &mut Allocator, keys: u32) -> Progress {
    loop {
        match allocator.install(keys, start()) {
            Progress::Working => {}
            progress => return progress,
        }
    }
}

#[test]
fn what_is_refused_leaves_the_table_on_its_way_alone() {
    for pieces_before in 0..8 {
        let mut allocator = allocator(100.0, 100);
        allocator.stage(customers(1, 9), start()).unwrap();
        for _ in 0..pieces_before {
            assert_eq!(allocator.install(7, start()), Progress::Working);
        }
        assert!(allocator.stage(b"noise".to_vec(), start()).is_err());
        assert!(allocator.apply(&customers(1, 3)[..40], start()).is_err());
        assert_eq!(install(&mut allocator, 7), Progress::Installed(1));
        assert_eq!(allocator.install(7, start()), Progress::Idle);
        let standing = allocator.explain(b"customer-8", start());
        assert!(standing.known && standing.resources[0].owns_reservation);
    }
}

#[test]
fn another_share_drops_what_is_not_in_force_and_finishes_what_is() {
    let mut seen = Vec::new();
    for pieces_before in 0..9 {
        let mut allocator = allocator(100.0, 100);
        allocator.apply(&customers(1, 3), start()).unwrap();
        allocator.stage(customers(2, 9), start()).unwrap();
        for _ in 0..pieces_before {
            assert_eq!(allocator.install(7, start()), Progress::Working);
        }
        let stage = allocator.staged().unwrap().stage;
        allocator.set_share(Share::new(1, 2), start());
        assert!(allocator.staged().is_none());
        let owns = allocator.explain(b"customer-8", start()).resources[0].owns_reservation;
        assert_eq!(owns, stage == Stage::Installing, "{stage:?}");
        // Whatever there was can be had again.
        assert_eq!(allocator.apply(&customers(1, 3), start()), Ok(1));
        assert_eq!(allocator.apply(&customers(2, 9), start()), Ok(2));
        allocator.resources.iter().for_each(|resource| resource.budget.check_invariants(start()));
        seen.push(stage);
    }
    seen.dedup();
    assert_eq!(seen, [Stage::Checking, Stage::Checked, Stage::Installing]);
}

proptest! {
    #[test]
    fn pieces_of_any_size_end_as_one(
        sizes in prop::collection::vec((0_u64..20, 1_u32..30), 1..6),
        asked in prop::collection::vec((0_u64..22, 1_u64..9), 1..60),
    ) {
        let (mut whole, mut pieces) = (allocator(100.0, 100), allocator(100.0, 100));
        for (epoch, (owners, keys)) in (1..).zip(&sizes) {
            let bytes = customers(epoch, *owners);
            prop_assert_eq!(whole.apply(&bytes, start()), Ok(epoch));
            pieces.stage(bytes, start()).unwrap();
            prop_assert_eq!(install(&mut pieces, *keys), Progress::Installed(epoch));
        }
        for (at, (number, cost)) in (0..).zip(asked) {
            let (name, now) = (alloc::format!("customer-{number}"), after(at * SECOND / 50));
            prop_assert_eq!(ask(&mut whole, &name, cost, now), ask(&mut pieces, &name, cost, now));
            prop_assert_eq!(whole.explain(name.as_bytes(), now), pieces.explain(name.as_bytes(), now));
        }
        for resource in &pieces.resources {
            resource.budget.check_invariants(after(2 * SECOND));
        }
    }
}
