//! What is read, and how what cannot be read is told.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::*;

fn read(text: &str) -> Result<Trace> {
    Trace::read(text.as_bytes())
}

fn problem(text: &str) -> String {
    format!("{:#}", read(text).unwrap_err())
}

#[test]
fn a_keyed_log_is_read_in_any_column_order_and_sorted() {
    let trace = read(
        "key,ts,cost,resource,class,actual\n\
         acme,12.5,100,llm_tokens,critical,130\n\
         batch,10,1,requests,,\n",
    )
    .unwrap();
    let [first, second] = trace.entries.as_slice() else { panic!("{trace:?}") };
    assert_eq!((first.key.as_str(), first.at, first.actual, first.class), ("batch", Duration::ZERO, 1, None));
    assert_eq!((second.at, second.cost, second.actual), (Duration::from_millis(2500), 100, 130));
    assert_eq!(second.class, Some("critical"));
    assert_eq!(trace.costly_resources().into_iter().collect::<Vec<_>>(), ["llm_tokens"]);
}

#[test]
fn an_llm_log_settles_with_what_was_generated() {
    let trace = read("t_seconds,context_tokens,generated_tokens\n0.0,4808,10\n0.052,3180,8\n").unwrap();
    let costs: Vec<_> = trace.entries.iter().map(|entry| (entry.cost, entry.actual)).collect();
    assert_eq!(costs, [(4808, 4818), (3180, 3188)]);
    assert_eq!(trace.keys().len(), 1);
}

#[test]
fn gzip_and_times_of_day_are_accepted() {
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(
        b"ts,key,resource,cost\r\n2026-01-31T10:00:00Z,a,requests,1\r\n2026-01-31T10:00:03Z,a,requests,1\r\n",
    )
    .unwrap();
    let trace = Trace::read(zip.finish().unwrap().as_slice()).unwrap();
    assert_eq!(trace.length(), Duration::from_secs(3));
}

#[test]
fn what_makes_no_sense_is_named_by_line_and_column() {
    for (text, expected) in [
        ("", "the file is empty"),
        ("ts,key,resource,cost\n", "no requests"),
        ("ts,key,cost\n1,a,1\n", "line 1: no column resource"),
        ("ts,key,resource,cost,colour\n", "line 1: unknown column \"colour\""),
        ("ts,key,resource,cost,cost\n", "line 1: column cost occurs twice"),
        (
            "ts,key,resource,cost\n1,a,tokens,5\n2,a,tokens,x\n",
            "line 3: column cost: \"x\": not a whole number",
        ),
        ("ts,key,resource,cost\n1,a,tokens,-5\n", "line 2: column cost: \"-5\": not a whole number"),
        ("ts,key,resource,cost\n1,a,requests,5\n", "line 2: column cost: a request costs one"),
        ("ts,key,resource,cost\n-1,a,tokens,5\n", "line 2: column ts: \"-1\""),
        ("ts,key,resource,cost\nNaN,a,tokens,5\n", "line 2: column ts: \"NaN\""),
        ("ts,key,resource,cost\nnoon,a,tokens,5\n", "line 2: column ts: \"noon\": neither seconds nor"),
        ("ts,key,resource,cost\n1,,tokens,5\n", "line 2: column key is empty"),
        ("ts,key,resource,cost\n1,é,tokens,5\n", "line 2: column key: \"é\": only printable ASCII"),
        ("ts,key,resource,cost\n1,a,To kens,5\n", "line 2: column resource"),
        (
            "ts,key,resource,cost,class\n1,a,tokens,5,urgent\n",
            "line 2: column class: \"urgent\": not one of critical",
        ),
        ("ts,key,resource,cost\n1,a,tokens\n", "line 2: 3 columns instead of 4"),
        ("ts,key,resource,cost\n1,\"a\",tokens,1\n", "line 2: quotes"),
    ] {
        let problem = problem(text);
        assert!(problem.contains(expected), "{text:?}: {problem}");
    }
}
