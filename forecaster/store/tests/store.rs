//! The database from outside: exactly once, additive, durable across reopening.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed test should panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tidegate_store::{
    Counters, Error, NewReport, Recorded, RegionTokens, Store, TRAIT_SPAN_MS, TotalsQuery, Trait, TraitCount,
    WindowDetails, WindowLoad, WindowUsage, WindowWish, Wished,
};

fn usage(key: &str, window_start_ms: u64, offered: u64) -> WindowUsage {
    let counters = Counters { requests_offered: 1, offered, largest: offered, ..Counters::default() };
    WindowUsage { key: key.to_owned(), resource: "requests".to_owned(), window_start_ms, counters }
}

fn report(proxy: &str, boot: u64, seq: u64, windows: Vec<WindowUsage>) -> NewReport {
    NewReport {
        proxy: proxy.to_owned(),
        boot,
        seq,
        received_at_ms: 5_000,
        windows,
        details: Vec::new(),
        loads: Vec::new(),
        wishes: Vec::new(),
    }
}

async fn open(folder: &TempDir) -> Store {
    Store::open(&folder.path().join("tidegate.db")).await.unwrap()
}

async fn offered(store: &Store) -> BTreeMap<String, u64> {
    let totals = store.totals(&TotalsQuery { limit: 1000, ..TotalsQuery::default() }).await.unwrap();
    totals.into_iter().map(|total| (total.usage.key, total.usage.counters.offered)).collect()
}

#[tokio::test]
async fn a_report_counts_once_however_often_it_comes() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let first = report("edge", u64::MAX, 1, vec![usage("a", 1000, 5)]);
    assert_eq!(store.record(std::slice::from_ref(&first)).await.unwrap(), [Recorded::Added]);
    let batch = [first.clone(), report("edge", u64::MAX, 2, vec![usage("a", 1000, 7)]), first];
    let verdicts = store.record(&batch).await.unwrap();
    assert_eq!(verdicts, [Recorded::Duplicate, Recorded::Added, Recorded::Duplicate]);
    assert_eq!(offered(&store).await["a"], 12);
    store.close().await;

    let store = open(&folder).await;
    assert_eq!(store.record(&batch).await.unwrap(), [Recorded::Duplicate; 3]);
    assert_eq!(
        store.record(&[report("edge", 7, 1, vec![usage("a", 1000, 1)])]).await.unwrap(),
        [Recorded::Added]
    );
    assert_eq!(offered(&store).await["a"], 13);
}

#[tokio::test]
async fn an_older_report_that_comes_after_a_newer_one_counts() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let numbered = |seq| report("edge", 1, seq, vec![usage("a", 1000, 1)]);
    assert_eq!(store.record(&[numbered(7)]).await.unwrap(), [Recorded::Added]);
    assert_eq!(
        store.record(&[numbered(5), numbered(7)]).await.unwrap(),
        [Recorded::Added, Recorded::Duplicate]
    );
    assert_eq!(offered(&store).await["a"], 2);
}

#[tokio::test]
async fn increments_of_a_window_add_up_and_the_largest_cost_is_a_maximum() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let windows = vec![usage("a", 1000, 5), usage("a", 1000, 9), usage("a", 2000, 1), usage("b", 1000, 2)];
    store.record(&[report("edge", 1, 1, windows)]).await.unwrap();
    store.record(&[report("edge", 1, 2, vec![usage("a", 1000, 3)])]).await.unwrap();

    let windows = store.windows("a", 0, 10).await.unwrap();
    let seen: Vec<_> = windows
        .iter()
        .map(|window| (window.window_start_ms, window.counters.offered, window.counters.largest))
        .collect();
    assert_eq!(seen, [(2000, 1, 1), (1000, 17, 9)]);

    let step = store.usage_between(1000, 2000).await.unwrap();
    let sums: BTreeMap<_, _> = step.into_iter().map(|series| (series.key, series.counters.offered)).collect();
    assert_eq!(sums, BTreeMap::from([("a".to_owned(), 17), ("b".to_owned(), 2)]));
}

#[tokio::test]
async fn details_count_once_with_their_report_add_up_and_are_cut_off_with_it() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let detailed = |seq, at_ms: u64| {
        let region = |region: &str, tokens| RegionTokens { region: region.to_owned(), tokens };
        let count = |of, name: &str| TraitCount { of, name: name.to_owned(), requests: 2 };
        let details = WindowDetails {
            key: "a".to_owned(),
            resource: "requests".to_owned(),
            window_start_ms: at_ms,
            regions: vec![region("eu", 3), region("us", u64::MAX)],
            traits: vec![count(Trait::AccountType, "trial"), count(Trait::CpuUs, "40")],
        };
        let load = |resource: &str, permille, samples| WindowLoad {
            resource: resource.to_owned(),
            window_start_ms: at_ms,
            permille,
            samples,
        };
        NewReport {
            details: vec![details],
            loads: vec![load("requests", 1500, 2), load("cpu", 0, 1)],
            ..report("edge", 1, seq, vec![usage("a", at_ms, 9)])
        }
    };
    let hour = TRAIT_SPAN_MS;
    let first = detailed(1, hour);
    store.record(&[first.clone(), detailed(2, hour), detailed(3, 2 * hour)]).await.unwrap();
    assert_eq!(store.record(&[first]).await.unwrap(), [Recorded::Duplicate]);

    let regions = store.regions_between(hour, 2 * hour).await.unwrap();
    let seen: Vec<_> = regions.iter().map(|one| (one.tokens.region.as_str(), one.tokens.tokens)).collect();
    assert_eq!(seen, [("eu", 6), ("us", 2 << 43)], "no count is taken for more than any can be");
    let traits = store.traits_of(hour).await.unwrap();
    let seen: Vec<_> =
        traits.iter().map(|one| (one.count.of, one.count.name.as_str(), one.count.requests)).collect();
    assert_eq!(seen, [(Trait::AccountType, "trial", 4), (Trait::CpuUs, "40", 4)]);
    let loads = store.loads_between(0, 2 * hour).await.unwrap();
    assert_eq!(loads, BTreeMap::from([("cpu".to_owned(), 0.0), ("requests".to_owned(), 0.75)]));

    store.delete_before(2 * hour).await.unwrap();
    assert!(store.regions_between(0, 2 * hour).await.unwrap().is_empty());
    assert!(store.traits_of(hour).await.unwrap().is_empty());
    assert_eq!(store.regions_between(0, 3 * hour).await.unwrap().len(), 2);
    assert!(store.loads_between(0, 2 * hour).await.unwrap().is_empty());
}

#[tokio::test]
async fn wishes_count_once_with_their_report_add_up_and_are_cut_off_with_it() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let wishing = |seq, at_ms, refused| NewReport {
        wishes: vec![WindowWish {
            resource: "requests".to_owned(),
            window_start_ms: at_ms,
            wished: Wished { refused, delayed: 1 },
        }],
        ..report("edge", 1, seq, vec![usage("a", at_ms, 9)])
    };
    let first = wishing(1, 1000, 5);
    store.record(&[first.clone(), wishing(2, 1000, u64::MAX), wishing(3, 2000, 7)]).await.unwrap();
    assert_eq!(store.record(&[first]).await.unwrap(), [Recorded::Duplicate]);
    let wished = async |from_ms, to_ms| -> Option<(u64, u64)> {
        let wished = *store.wishes_between(from_ms, to_ms).await.unwrap().get("requests")?;
        Some((wished.refused, wished.delayed))
    };
    assert_eq!(wished(0, 2000).await, Some(((1 << 43) + 5, 2)), "no count is taken for more than any can be");
    assert_eq!((wished(1001, 3000).await, wished(2001, 3000).await), (Some((7, 1)), None));
    store.delete_before(2000).await.unwrap();
    assert_eq!(wished(0, 3000).await, Some((7, 1)));
}

#[tokio::test]
async fn what_was_learned_is_replaced_by_name_and_survives_reopening() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    assert_eq!(store.learned("school").await.unwrap(), None);
    for (name, state) in [("school", &[1, 2][..]), ("other", &[]), ("school", &[0, 255, 7])] {
        store.keep_learned(name, 1000, state).await.unwrap();
    }
    store.delete_before(u64::MAX).await.unwrap();
    store.close().await;
    let store = open(&folder).await;
    assert_eq!(store.learned("school").await.unwrap(), Some(vec![0, 255, 7]));
    assert_eq!(store.learned("other").await.unwrap(), Some(Vec::new()));
}

#[tokio::test]
async fn totals_can_be_narrowed() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let windows = vec![usage("a", 1000, 5), usage("a", 2000, 6), usage("b", 1000, 7)];
    store.record(&[report("edge", 1, 1, windows)]).await.unwrap();
    let query = TotalsQuery {
        key: Some("a".to_owned()),
        resource: Some("requests".to_owned()),
        from_ms: Some(1500),
        to_ms: Some(2001),
        limit: 10,
    };
    let [total] = &store.totals(&query).await.unwrap()[..] else { panic!("one series was asked for") };
    assert_eq!((total.windows, total.usage.counters.offered), (1, 6));
    assert_eq!(store.totals(&TotalsQuery { limit: 1, ..TotalsQuery::default() }).await.unwrap().len(), 1);
}

#[tokio::test]
async fn absurd_counts_do_not_break_the_sums() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    for seq in 1..=50 {
        store.record(&[report("edge", 1, seq, vec![usage("a", seq, u64::MAX)])]).await.unwrap();
    }
    assert_eq!(offered(&store).await["a"], 50 << 43);
}

#[tokio::test]
async fn epochs_rise_across_reopening_and_clocks_that_jump_back() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    assert_eq!(store.next_epoch(1000).await.unwrap(), 1000);
    assert_eq!(store.next_epoch(1000).await.unwrap(), 1001);
    store.close().await;
    let store = open(&folder).await;
    assert_eq!(store.next_epoch(7).await.unwrap(), 1002);
    assert_eq!(store.next_epoch(2000).await.unwrap(), 2000);
}

#[tokio::test]
async fn retention_deletes_what_is_older_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let windows = vec![usage("a", 1000, 5), usage("a", 9000, 6)];
    store.record(&[report("edge", 1, 1, windows)]).await.unwrap();
    for step in [1000, 9000, 9000] {
        store.mark_observed(step).await.unwrap();
    }
    assert_eq!(store.first_window_ms().await.unwrap(), Some(1000));
    assert_eq!(store.delete_before(4000).await.unwrap(), 1);
    assert_eq!(store.first_window_ms().await.unwrap(), Some(9000));
    assert_eq!(store.observed_between(0, 10_000).await.unwrap(), [9000]);
    let again = [report("edge", 1, 1, vec![usage("a", 9000, 6)])];
    assert_eq!(
        store.record(&again).await.unwrap(),
        [Recorded::Duplicate],
        "the report is younger than its windows"
    );
    store.delete_before(6000).await.unwrap();
    assert_eq!(store.record(&again).await.unwrap(), [Recorded::Added]);
}

#[tokio::test]
async fn a_failure_halfway_keeps_nothing_of_the_report() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let path = folder.path().join("tidegate.db");
    let mut other = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query("ALTER TABLE usage RENAME TO elsewhere").execute(&mut other).await.unwrap();
    let first = report("edge", 1, 1, vec![usage("a", 1000, 5)]);
    assert!(matches!(store.record(std::slice::from_ref(&first)).await, Err(Error::Sql(_))));

    sqlx::query("ALTER TABLE elsewhere RENAME TO usage").execute(&mut other).await.unwrap();
    assert_eq!(store.record(&[first]).await.unwrap(), [Recorded::Added]);
    assert_eq!(offered(&store).await["a"], 5);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = TempDir::new().unwrap();
    open(&folder).await.close().await;
    let path = folder.path().join("tidegate.db");
    let mut other = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query("INSERT INTO schema_version (version) VALUES (1000)").execute(&mut other).await.unwrap();
    assert!(matches!(Store::open(&path).await, Err(Error::NewerSchema { found: 1000, .. })));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_its_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tidegate.db");
    std::fs::write(&path, "not a database, but long enough to look like one".repeat(100)).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error}");
    assert!(error.to_string().contains("tidegate.db"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any interleaving of resends gives the sums of the distinct reports.
    #[test]
    fn whatever_is_resent_sums_are_those_of_distinct_reports(
        reports in prop::collection::vec((0_u64..2, prop::collection::vec((0_u8..3, 0_u64..3, 0_u64..1000), 0..5)), 1..12),
        resent in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let store = open(&folder).await;
            let mut sent = Vec::new();
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            let mut seqs = [0, 0];
            for (boot, records) in reports {
                seqs[boot as usize] += 1;
                let windows: Vec<_> = records
                    .iter()
                    .map(|(key, window, amount)| usage(&format!("key-{key}"), window * 1000, *amount))
                    .collect();
                for window in &windows {
                    *expected.entry(window.key.clone()).or_default() += window.counters.offered;
                }
                sent.push(report("edge", boot, seqs[boot as usize], windows));
                store.record(&sent[sent.len() - 1..]).await.unwrap();
                for index in &resent {
                    store.record(std::slice::from_ref(index.get(&sent))).await.unwrap();
                }
            }
            assert_eq!(offered(&store).await, expected);
        });
    }
}
