//! Bad tables, each kind: the proxy says what is wrong, keeps the last good one, and goes on deciding by it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test should panic")]
use anyhow::Result;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;
use tidegate_core::{
    table::{Reservation, Schedule, Table},
    transfer::{self, Announcement, Chunk},
    units::MicroRate,
};
use tidegate_e2e::{load::Ask, rig::Rig};

use crate::{line, made, world};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// acme is gold; everybody else bronze.
fn table(epoch: u64) -> Table {
    let tiers = vec![made::tier("gold"), made::tier("bronze")];
    Table { epoch, ..made::table(tiers, (50.0, 30), &[("acme", 0)]).unwrap() }
}

/// Bytes on their way, signed as they should be.
fn signed(epoch: u64, bytes: &[u8]) -> (Announcement, Vec<Chunk>) {
    transfer::split(epoch, bytes, |message| key().sign(message).to_bytes().to_vec())
}

/// Every way in which a table can be bad, and what the proxy must say about it.
fn bad(good: &Table) -> Vec<((Announcement, Vec<Chunk>), &'static str)> {
    let next = table(good.epoch + 1);
    let bytes = next.encode();
    let epoch = next.epoch;
    let changed = |change: &dyn Fn(&mut Table)| {
        let mut table = table(epoch);
        change(&mut table);
        signed(epoch, &table.encode())
    };
    let reserve = |table: &mut Table, per_s: f64, depth| {
        let reservation = Reservation { rate: MicroRate::from_per_s(per_s), depth };
        table.resources[0].tier_reservations[0] = Schedule::constant(reservation, 2);
    };
    let mut version = bytes.clone();
    version[3] = 9;
    let mut foreign = signed(epoch, &bytes);
    foreign.0.signature = SigningKey::from_bytes(&[8; 32])
        .sign(&transfer::signed_bytes(&foreign.0.manifest))
        .to_bytes()
        .to_vec();
    let mut tampered = signed(epoch, &bytes);
    tampered.1[0].bytes[9] ^= 1;
    vec![
        (transfer::split(epoch, &bytes, |_| Vec::new()), "not signed"),
        (foreign, "not by the configured public key"),
        (tampered, "does not have its hash"),
        (signed(epoch, &bytes[..bytes.len() / 2]), "truncated"),
        (signed(epoch, &[&bytes[..], b"more"].concat()), "left after the message"),
        (signed(epoch, b"TGR\x01 is a report"), "not a table message"),
        (signed(epoch, &version), "format version 9 is not supported"),
        (signed(epoch, &table(good.epoch - 1).encode()), "is not newer"),
        (changed(&|table| reserve(table, 51.0, 1)), "reserved rates exceed"),
        (changed(&|table| reserve(table, 1.0, 31)), "reserved depths exceed"),
        (changed(&|table| table.resources[0].capacity = MicroRate(u64::MAX)), "capacity is out of range"),
        (changed(&|table| table.default_tier = 7), "tier 7 does not exist"),
        (changed(&|table| table.base_epoch = 3), "builds on epoch 3"),
    ]
}

#[tokio::test]
async fn each_is_refused_by_name_and_the_last_good_one_stays() -> Result<()> {
    let _turn = world::turn().await?;
    let mut plugin = world::plugin(&world::requests());
    let public: String = key().verifying_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    plugin["forecaster"]["public_key"] = json!(public);
    let (plan, mut lines) = made::plan("bad-tables", plugin)?;
    let rig = Rig::start(&plan).await?;
    rig.client.ask(&Ask::of("acme")).await?;
    let (mut line, hello) = lines.welcome().await?;
    assert_eq!((hello.table_epoch, hello.snapshot_epoch), (0, 0));

    let good = table(10);
    let ack = line.push(line::parcel(signed(10, &good.encode()))).await?;
    assert_eq!((ack.epoch, ack.snapshot_epoch, ack.error), (10, 10, None));
    assert_eq!(rig.client.ask(&Ask::of("acme")).await?.tier.as_deref(), Some("gold"));
    let bad = bad(&good);
    let kinds = bad.len() as u64;
    for (parcel, says) in bad {
        let ack = line.push(line::parcel(parcel)).await?;
        assert_eq!(ack.epoch, 10, "{says}");
        let error = ack.error.unwrap_or_default();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
        assert!(rig.envoy.log_text().contains(&error), "{error} is not in the log");
        assert_eq!(rig.client.ask(&Ask::of("acme")).await?.tier.as_deref(), Some("gold"), "{says}");
    }
    let again = line.push(line::parcel(signed(10, &good.encode()))).await?;
    assert_eq!((again.epoch, again.error), (10, None), "what is in force already is no mistake");
    let ack = line.push(line::parcel(signed(12, &table(12).encode()))).await?;
    assert_eq!((ack.epoch, ack.error), (12, None), "a good one still gets through");
    let stats = rig.envoy.stats().await?;
    assert_eq!(stats.plugin("tidegate_tables_total.result.rejected"), kinds);
    assert_eq!(stats.plugin("tidegate_tables_total.result.applied"), 2);
    Ok(())
}
