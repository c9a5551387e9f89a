use alloc::{format, string::String};

use proptest::prelude::*;

use super::*;

fn usage(content_type: &str, body: &str) -> Option<Usage> {
    let mut reader = UsageReader::of(content_type.as_bytes())?;
    reader.read(body.as_bytes());
    reader.usage()
}

fn used(input: u64, output: u64) -> Option<Usage> {
    Some(Usage { input, output })
}

const CHAT: &str = r#"{"id":"x","choices":[{"message":{"content":"\"usage\":{\"completion_tokens\":999}"}}],
    "usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":3}}}"#;
const MESSAGE: &str = r#"{"type":"message","content":[{"type":"tool_use","input":{"usage":{"output_tokens":5}}}],
    "usage":{"input_tokens":2095,"cache_creation_input_tokens":100,"cache_read_input_tokens":5,"output_tokens":503}}"#;

#[test]
fn usage_is_found_at_the_end_of_a_document() {
    assert_eq!(usage("application/json", CHAT), used(19, 10));
    assert_eq!(usage("Application/JSON; charset=utf-8", MESSAGE), used(2200, 503));
    assert_eq!(usage("application/json", r#"{"error":{"message":"no"}}"#), None);
    assert_eq!(usage("text/html", CHAT), None);
}

#[test]
fn usage_is_found_in_the_last_event_of_a_chat_stream() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}}\n\ndata: [DONE]\n\n";
    assert_eq!(usage("text/event-stream", body), used(19, 10));
    let without = "data: {\"choices\":[{\"delta\":{}}]}\n\ndata: [DONE]\n\n";
    assert_eq!(usage("text/event-stream", without), None, "the client did not ask for it");
}

#[test]
fn usage_of_a_message_stream_is_what_the_latest_events_say() {
    let body = "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\r\n\r\n\
        event: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\n\
        event: message_delta\r\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\r\n\r\n";
    assert_eq!(usage("text/event-stream", body), used(25, 15));
    let responses = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":\
        {\"input_tokens\":37,\"output_tokens\":11,\"total_tokens\":48}}}\n\n";
    assert_eq!(usage("text/event-stream", responses), used(37, 11));
}

#[test]
fn an_event_that_is_broken_breaks_no_other() {
    let body =
        "data: {\"text\":\"cut off\n\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
    assert_eq!(usage("text/event-stream", body), used(1, 2));
}

#[test]
fn a_prompt_tells_its_size_and_how_much_may_be_generated() {
    let prompt = |body: &str| {
        let mut reader = PromptReader::default();
        reader.read(body.as_bytes());
        reader.prompt()
    };
    let body = r#"{"model":"m","max_tokens":100,"n":3,"messages":[{"content":"max_tokens\":7"}]}"#;
    assert_eq!(prompt(body), Prompt { bytes: body.len() as u64, max_output: Some(300) });
    assert_eq!(prompt(r#"{"max_completion_tokens":5}"#).max_output, Some(5));
    assert_eq!(prompt(r#"{"max_output_tokens": 6 }"#).max_output, Some(6));
    assert_eq!(prompt(r#"{"options":{"max_tokens":7}}"#).max_output, None);
    let rule = LlmRule { bytes_per_token: 4, default_output: 50, input_weight: 1, output_weight: 2 };
    assert_eq!(rule.estimate(&Prompt { bytes: 401, max_output: Some(10) }), 101 + 20);
    assert_eq!(rule.estimate(&Prompt { bytes: 0, max_output: None }), 100);
    assert_eq!(rule.estimate(&Prompt { bytes: u64::MAX, max_output: Some(u64::MAX) }), MAX_COST);
    assert_eq!(rule.cost(&Usage { input: 19, output: 10 }), 39);
}

proptest! {
    #[test]
    fn how_a_body_is_cut_does_not_matter(cuts in prop::collection::vec(0_usize..1000, 0..20), padding in "[ -~]{0,40}") {
        let text = serde_json::Value::String(padding);
        let body = format!("data: {{\"delta\":{text}}}\n\ndata: {{\"usage\":{{\"input_tokens\":12,\"output_tokens\":345}}}}\n\n");
        let mut reader = UsageReader::of(b"text/event-stream").unwrap();
        let mut rest = body.as_bytes();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut % (rest.len() + 1));
            reader.read(piece);
            rest = after;
        }
        reader.read(rest);
        prop_assert_eq!(reader.usage(), used(12, 345));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300), is_stream in any::<bool>()) {
        let content_type: &[u8] = if is_stream { b"text/event-stream" } else { b"application/json" };
        let mut reader = UsageReader::of(content_type).unwrap();
        reader.read(&bytes);
        let mut prompt = PromptReader::default();
        prompt.read(&bytes);
        prop_assert_eq!(prompt.prompt().bytes, bytes.len() as u64);
        let _: Option<String> = reader.usage().map(|usage| format!("{usage:?}"));
    }
}
