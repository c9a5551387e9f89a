//! A language model's answers: whatever usage it is asked to have, as documents and streams of events.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use hyper::{
    Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};

use super::pieces::Pieces;

/// Small enough to cut every event into several pieces.
const PIECE_BYTES: usize = 40;
const MOMENT: Duration = Duration::from_millis(20);
/// Long enough to hang up in between.
const LONG_MOMENT: Duration = Duration::from_millis(500);

/// What it answers to a request.
pub(super) fn generate(asked: &Value) -> Response<Pieces> {
    let usage = asked.get("usage").cloned().unwrap_or_default();
    let is = |name: &str, wanted: &str| asked.get(name).is_some_and(|value| value == wanted);
    let streams = asked.get("stream") == Some(&Value::Bool(true));
    let kind = if streams { "text/event-stream" } else { "application/json" };
    let body = match (streams, is("shape", "anthropic")) {
        (true, true) => anthropic_events(&usage),
        (true, false) => openai_events(&usage),
        (false, _) => {
            json!({ "choices": [{ "message": { "content": "words" } }], "usage": usage }).to_string()
        }
    };
    let is_gzip = is("encoding", "gzip");
    let pieces = match is_gzip {
        true => Pieces::whole(gzip(&body)),
        false if is("pace", "slow") => Pieces::slowly(body.as_bytes(), PIECE_BYTES, MOMENT),
        false if is("pace", "crawl") => Pieces::slowly(body.as_bytes(), PIECE_BYTES, LONG_MOMENT),
        false => Pieces::whole(body),
    };
    let mut response = Response::new(pieces);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if is_gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let status = asked.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    *response.status_mut() = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_default();
    response
}

/// The usage comes in the last event.
fn openai_events(usage: &Value) -> String {
    let piece = |text: &str| json!({ "choices": [{ "delta": { "content": text } }], "usage": null });
    let events = [piece("\"usage\": {"), piece("some words"), json!({ "choices": [], "usage": usage })];
    events.map(|event| format!("data: {event}\n\n")).concat() + "data: [DONE]\n\n"
}

/// What was read is in the first event, and what was written in the last but one.
fn anthropic_events(usage: &Value) -> String {
    let of = |name: &str| usage.get(name).cloned().unwrap_or_default();
    let read = json!({ "input_tokens": of("input_tokens"), "output_tokens": 1 });
    let events = [
        json!({ "type": "message_start", "message": { "role": "assistant", "usage": read } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "words" } }),
        json!({ "type": "message_delta", "delta": {}, "usage": { "output_tokens": of("output_tokens") } }),
        json!({ "type": "message_stop" }),
    ];
    let lines = events.map(|event| {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        format!("event: {kind}\ndata: {event}\n\n")
    });
    lines.concat()
}

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Nothing fails in memory, and without the end nobody could read it.
    let _ = encoder.write_all(body.as_bytes());
    encoder.finish().unwrap_or_default()
}
