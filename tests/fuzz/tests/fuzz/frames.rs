//! The frames of the sync stream: each kind is read as it was written, or refused.

use std::fmt::Debug;

use anyhow::Result;
use prost::Message;
use tidegate_core::{
    report::{Record, Report, Usage, Wish},
    sync::{Hello, Kind, PROTOCOL, ReportAck, TableAck, Welcome},
    table::Table,
    transfer::{self, Announcement, Chunk, Manifest},
};
use tidegate_fuzz::{Fuzz, Notes, peak_of};
use tidegate_proto::Frame;

const SPARE_BYTES: u64 = 8 << 20;

/// Reads bytes, and what was read once more from its own bytes.
fn again<T: PartialEq + Debug, E: Debug + ToString>(
    input: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, E>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> String {
    let (read, peak) = peak_of(|| decode(input));
    assert!(peak <= SPARE_BYTES + 200 * input.len() as u64, "{peak} bytes of memory for {}", input.len());
    match read {
        Ok(value) => {
            assert_eq!(decode(&encode(&value)).unwrap(), value);
            "read".into()
        }
        Err(error) => error.to_string(),
    }
}

/// The payload of a frame by the number of its kind; other numbers are a manifest, which travels in an announcement.
fn payload(kind: i32, input: &[u8]) -> String {
    match Kind::from_i32(kind) {
        Some(Kind::Hello) => again(input, Hello::decode, Hello::encode),
        Some(Kind::Welcome) => again(input, Welcome::decode, Welcome::encode),
        Some(Kind::Report) => again(input, Report::decode, Report::encode),
        Some(Kind::ReportAck) => again(input, ReportAck::decode, ReportAck::encode),
        Some(Kind::Announcement) => again(input, Announcement::decode, Announcement::encode),
        Some(Kind::TableAck) => again(input, TableAck::decode, TableAck::encode),
        Some(Kind::Chunk) => again(input, Chunk::decode, Chunk::encode),
        None => again(input, Manifest::decode, Manifest::encode),
    }
}

/// Notes what was read by its kind, and what was not by the reason.
fn note(notes: &mut Notes, what: &str, kind: i32, input: &[u8]) {
    match payload(kind, input).as_str() {
        "read" => notes.add(format!("{what} of {:?}", Kind::from_i32(kind))),
        reason => notes.add(reason),
    }
}

fn read(input: &[u8], notes: &mut Notes) {
    // The whole as a frame, and by its first byte as the payload of one.
    match Frame::decode(input) {
        Ok(frame) => {
            assert_eq!(Frame::decode(frame.encode_to_vec().as_slice()), Ok(frame.clone()));
            note(notes, "a frame", frame.kind, &frame.payload);
        }
        Err(error) => notes.add(error.to_string()),
    }
    if let [kind, rest @ ..] = input {
        note(notes, "a payload", i32::from(kind % 8), rest);
    }
}

fn report() -> Report {
    let usage = Usage { requests_offered: 3, offered: 300, largest: u64::MAX, ..Usage::default() };
    Report {
        boot: 1,
        seq: 2,
        table_epoch: 3,
        dropped: 0,
        resources: vec!["requests".into()],
        keys: vec!["acme".into(), "globex".into()],
        records: vec![Record { key: 1, resource: 0, window_start_ms: 5, contended: true, usage }],
        wishes: vec![Wish { resource: 0, refused: 7, delayed: 8 }],
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let hello = Hello {
        protocol: PROTOCOL,
        proxy: "edge".into(),
        boot: 7,
        token: "secret".into(),
        table_epoch: 1,
        snapshot_epoch: 1,
        table_format: Table::FORMAT,
        report_format: Report::FORMAT,
        resources: vec!["requests".into()],
    };
    let (announcement, chunks) = transfer::split(9, b"a table", |_| vec![7; 64]);
    let refused = TableAck { epoch: 1, snapshot_epoch: 1, error: Some("truncated".into()) };
    let payloads = [
        (Kind::Hello, hello.encode()),
        (Kind::Welcome, Welcome { protocol: PROTOCOL, report_interval_ms: 1_000 }.encode()),
        (Kind::Report, report().encode()),
        (Kind::ReportAck, ReportAck { boot: 1, seq: 2 }.encode()),
        (Kind::Announcement, announcement.encode()),
        (Kind::TableAck, refused.encode()),
        (Kind::Chunk, chunks.first().map(Chunk::encode).unwrap_or_default()),
    ];
    let mut inputs = vec![[&[0], announcement.manifest.as_slice()].concat()];
    for (kind, bytes) in payloads {
        inputs.push([&[kind as u8], bytes.as_slice()].concat());
        inputs.push(Frame { kind: kind as i32, payload: bytes.into() }.encode_to_vec());
    }
    inputs
}

#[test]
fn every_frame_is_read_as_written_or_refused() -> Result<()> {
    Fuzz::target("frames", 20_000)
        .seeds(seeds())
        .dictionary(&[b"TGH\x01", b"TGR\x02", b"TGN\x01", b"TGC\x01"])
        .run(read)
}

#[test]
fn a_report_whose_records_point_nowhere_is_refused() {
    for (key, resource) in [(2, 0), (0, 1), (u32::MAX, u8::MAX)] {
        let mut report = report();
        report.records[0].key = key;
        report.records[0].resource = resource;
        assert!(Report::decode(&report.encode()).is_err(), "{key} {resource}");
    }
}
