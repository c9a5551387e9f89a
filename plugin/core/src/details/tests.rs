use alloc::format;

use super::*;

fn headers(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn rules() -> DetailRules {
    DetailRules {
        region: Some(KeyPart::Header("x-region".into())),
        cpu_us: Some("x-cpu-us".into()),
        network_bytes: true,
        duration_ms: true,
        ..DetailRules::default()
    }
}

const DEMANDS: [Demand; 1] = [Demand { resource: 0, cost: 3, estimated: false }];

fn ask(collector: &mut Collector, key: &str, region: &str) -> Option<Trace> {
    let request = headers(&[("x-region", region), ("content-length", "100")]);
    let whose = (key.as_bytes(), &DEMANDS[..], 1_000);
    collector.ask(&rules(), whose, request.as_slice(), Timestamp::from_millis(1_500))
}

fn only(collector: &mut Collector) -> Entry {
    let taken = collector.take();
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.into_values().next().unwrap()
}

#[test]
fn requests_are_counted_by_name_and_their_responses_by_size() {
    let mut collector = Collector::default();
    for region in ["eu", "us", "eu", ""] {
        let mut trace = ask(&mut collector, "acme", region).unwrap();
        let response = headers(&[("x-cpu-us", "900"), ("content-length", "28")]);
        trace.read(&rules(), response.as_slice());
        collector.close(&rules(), &trace, 1_000, Timestamp::from_millis(1_506));
    }
    let entry = only(&mut collector);
    let part = |name: &str, requests| Part { name: name.to_owned(), requests, tokens: 3 * requests };
    assert_eq!(entry.regions, [part("eu", 2), part("us", 1)]);
    assert_eq!(entry.cpu_us.counts(), [(bucket_of(900), 4)]);
    assert_eq!(entry.network_bytes.counts(), [(bucket_of(128), 4)]);
    assert_eq!(entry.duration_ms.counts(), [(6, 4)]);
    assert_eq!(entry.memory_bytes, Spread::default());
    assert!(collector.take().is_empty(), "what was taken is gone");
}

#[test]
fn names_and_keys_are_bounded_and_nothing_is_lost_silently() {
    let mut collector = Collector::default();
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    for region in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "tab\tbed", long.as_str()] {
        ask(&mut collector, "acme", region);
    }
    let regions = only(&mut collector).regions;
    assert_eq!(regions.len(), MAX_NAMES);
    assert_eq!(regions.last().map(|part| (part.name.as_str(), part.requests)), Some((OTHER, 4)));
    for key in 0..MAX_ENTRIES + 5 {
        ask(&mut collector, &format!("key-{key}"), "eu");
    }
    assert_eq!((collector.take().len(), collector.left_out()), (MAX_ENTRIES, 5));
}

#[test]
fn buckets_are_those_of_the_protocol() {
    let buckets = [0, 7, 8, 9, 15, 16, 17, 18, 900, u64::MAX].map(bucket_of);
    assert_eq!(buckets, [0, 7, 8, 9, 15, 16, 16, 17, 62, 495]);
    let mut spread = Spread::default();
    (0..200).for_each(|power| spread.count(power * power * power));
    assert_eq!(spread.counts().len(), 64);
    assert_eq!(spread.counts().iter().map(|(_, count)| count).sum::<u64>(), 200);
    assert!(spread.counts().is_sorted_by_key(|(bucket, _)| bucket));
}
