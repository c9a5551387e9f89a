//! What reports tell of what requests take, to the request: what the upstream told of memory, and the bytes that were really sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_core::{
    report::Report,
    sync::{Kind, ReportAck},
};
use tidegate_e2e::{load::Ask, rig::Rig};
use tidegate_proto::{Spread, bucket_of, read_report};

use crate::{
    line::Line,
    made,
    world::{self, SOON},
};

/// Requests by the bucket of what they took.
type Counts = BTreeMap<u32, u64>;

fn add(counts: &mut Counts, spread: Option<&Spread>) {
    for (bucket, count) in spread.into_iter().flat_map(|spread| spread.buckets.iter().zip(&spread.counts)) {
        *counts.entry(*bucket).or_default() += count;
    }
}

/// Memory and network of everything that the proxy reports, until so many requests have been counted.
async fn reported(line: &mut Line, requests: u64) -> Result<(Counts, Counts)> {
    let (mut memory, mut network, mut ended, mut known) = (Counts::new(), Counts::new(), 0, BTreeSet::new());
    let end = Instant::now() + SOON;
    while ended < requests {
        ensure!(Instant::now() < end, "only {ended} of {requests}: {network:?}");
        let told = read_report(&line.hear(Kind::Report).await?)?;
        let report = Report::decode(&told.report)?;
        line.say(Kind::ReportAck, ReportAck { boot: report.boot, seq: report.seq }.encode()).await?;
        if !known.insert((report.boot, report.seq)) {
            continue;
        }
        for details in &told.details {
            add(&mut memory, details.memory_bytes.as_ref());
            add(&mut network, details.network_bytes.as_ref());
            ended += details.duration_ms.iter().flat_map(|spread| &spread.counts).sum::<u64>();
        }
    }
    Ok((memory, network))
}

#[tokio::test]
async fn reports_tell_the_memory_and_the_bytes_that_there_were() -> Result<()> {
    let _turn = world::turn().await?;
    let resources = json!({ "requests": { "cost": 1, "safe_capacity_per_s": 0.001, "safe_burst": 20 } });
    let mut plugin = world::plugin(&resources);
    plugin["details"] = json!({
        "memory_bytes": { "response_header": "x-total-memory" }, "network_bytes": true, "duration_ms": true,
    });
    let (plan, mut lines) = made::plan("details-exact", plugin)?;
    let rig = Rig::start(&plan).await?;
    let (mut memory, mut network, mut passed) = (Counts::new(), Counts::new(), 0);
    for number in 0_u64..24 {
        // Every third is a question that comes back as it is, every fourth tells nothing of memory.
        let mut ask = Ask::of("acme");
        if number % 3 == 0 {
            let size = usize::try_from(number * number * 97)?;
            ask = Ask { prompt: Some("x".repeat(size)), ..ask.with("x-echo-body", "yes") };
        }
        let told = number * number * number * 1_009;
        if number % 4 != 0 {
            ask = ask.costing("memory", 1, told);
        }
        let answer = rig.client.ask(&ask).await?;
        // Of who is refused there is nothing to tell.
        if answer.admitted() {
            passed += 1;
            let sent = ask.prompt.as_ref().map_or(0, String::len);
            *network.entry(bucket_of((sent + answer.body.len()) as u64)).or_default() += 1;
            if number % 4 != 0 {
                *memory.entry(bucket_of(told)).or_default() += 1;
            }
        }
    }
    assert_eq!(passed, 20, "and four are refused");
    assert!(memory.len() > 8 && network.len() > 4, "{memory:?}, {network:?}");
    let (mut line, _) = lines.welcome().await?;
    assert_eq!(reported(&mut line, passed).await?, (memory, network));
    Ok(())
}
