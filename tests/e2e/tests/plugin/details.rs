//! What a report tells beside its counters, as the forecaster reads it.

use std::collections::BTreeMap;

use tidegate_core::{
    details::{Entry, MAX_ENTRIES, MAX_NAME_BYTES, Part, Place},
    report::Report,
};
use tidegate_proto::read_report;

use crate::detailed;

fn report(keys: &[&str]) -> Report {
    Report {
        boot: 1,
        seq: 1,
        table_epoch: 0,
        dropped: 0,
        resources: vec!["requests".into()],
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        records: Vec::new(),
        wishes: Vec::new(),
    }
}

fn entry(requests: u64, names: usize) -> Entry {
    let part = |number: usize| {
        let name = format!("{number:0width$}", width = MAX_NAME_BYTES);
        Part { name, requests, tokens: requests }
    };
    Entry { regions: (0..names).map(part).collect(), ..Entry::default() }
}

fn place(key: &[u8]) -> Place {
    (key.into(), 0, 60_000)
}

#[test]
fn of_keys_that_look_alike_as_text_one_is_told_and_the_others_are_counted() {
    let keys: [&[u8]; 4] = [b"\xfe", b"\xff", b"acme", "\u{fffd}".as_bytes()];
    let entries: BTreeMap<Place, Entry> =
        keys.iter().zip(1..).map(|(key, requests)| (place(key), entry(requests, 1))).collect();
    let (bytes, left_out) = detailed::encode(report(&["acme"]), entries);
    assert_eq!(left_out, 2);
    let read = read_report(&bytes).unwrap();
    let keys = Report::decode(&read.report).unwrap().keys;
    let told: Vec<&str> = read.details.iter().map(|details| keys[details.key as usize].as_str()).collect();
    assert_eq!(told, ["acme", "\u{fffd}"]);
    assert_eq!(keys, ["acme", "\u{fffd}"], "a key that had no counters is named once");
}

#[test]
fn details_beyond_a_mebibyte_are_left_out_and_counted() {
    const MOST: usize = 1 << 20;
    let keys: Vec<String> = (0..MAX_ENTRIES).map(|number| format!("customer-{number:05}")).collect();
    let entries: BTreeMap<Place, Entry> =
        keys.iter().map(|key| (place(key.as_bytes()), entry(7, 8))).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let alone = report(&names).encode().len();
    let (bytes, left_out) = detailed::encode(report(&names), entries);
    let details = bytes.len() - alone;
    // A few bytes around each.
    assert!(details <= MOST + 8 * MAX_ENTRIES && details > MOST / 2, "{details}");
    let read = read_report(&bytes).unwrap();
    assert_eq!(read.details.len() as u64 + left_out, MAX_ENTRIES as u64);
    assert!(left_out > 0 && !read.details.is_empty());
    assert!(read.details.iter().all(|details| details.regions.len() == 8), "none is cut");
}

#[test]
fn without_details_a_report_is_what_it_always_was() {
    let (bytes, left_out) = detailed::encode(report(&["acme"]), BTreeMap::new());
    assert_eq!((bytes, left_out), (report(&["acme"]).encode(), 0));
}
