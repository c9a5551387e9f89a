use super::*;

const BUDGET: TokenBucket = TokenBucket { rate_per_s: 10, burst: 6 };

fn steady(who: usize, per_s: u32, seconds: u32) -> Vec<Request> {
    let at = |number: u32| Duration::from_secs(1) * number / per_s;
    (0..per_s * seconds).map(|number| Request { at: at(number), who, counts: true }).collect()
}

fn both(first: u32, second: u32) -> Vec<Request> {
    let mut requests = [steady(0, first, 20), steady(1, second, 20)].concat();
    requests.sort_by_key(|request| request.at);
    requests
}

#[test]
fn a_bucket_admits_its_burst_and_then_its_rate() {
    let times = (0..100).map(|number| (f64::from(number) / 10.0, number));
    let limit = TokenBucket { rate_per_s: 5, burst: 4 };
    let refused = simulate(limit, times).count();
    // 100 requests in 10 s: 4 at once, 5 a second after that.
    assert!((46..=48).contains(&refused), "{refused}");
}

#[test]
fn the_better_tier_gets_what_it_needs_first() {
    let found = per_customer(&both(8, 6), &[0, 1], BUDGET);
    let Refusals(refused) = &found.refusals;
    assert_eq!(refused[0], 0, "{found:?}");
    assert!(refused[1] > 0, "{found:?}");
    assert!(found.limits.iter().map(|limit| limit.rate_per_s).sum::<u32>() <= BUDGET.rate_per_s);
    assert!(found.limits.iter().map(|limit| limit.burst).sum::<u32>() <= BUDGET.burst);
}

#[test]
fn no_other_limits_are_better() {
    let requests = both(9, 7);
    let found = per_customer(&requests, &[0, 1], BUDGET);
    let times = |who| requests.iter().filter(move |one| one.who == who).map(|one| (one.at.as_secs_f64(), ()));
    for rate_per_s in 1..BUDGET.rate_per_s {
        for burst in 1..BUDGET.burst {
            let first = TokenBucket { rate_per_s, burst };
            let second =
                TokenBucket { rate_per_s: BUDGET.rate_per_s - rate_per_s, burst: BUDGET.burst - burst };
            let refused = [simulate(first, times(0)).count(), simulate(second, times(1)).count()];
            assert!(found.refusals <= Refusals(refused.map(|count| count as u32).to_vec()), "{refused:?}");
        }
    }
}

#[test]
fn what_does_not_count_is_served_and_not_counted() {
    let mut requests = both(30, 30);
    requests.iter_mut().for_each(|request| request.counts = false);
    assert_eq!(for_all(&requests, &[0, 1], BUDGET).refusals, Refusals(vec![0, 0]));
    requests.iter_mut().for_each(|request| request.counts = true);
    let found = for_all(&requests, &[0, 1], BUDGET);
    assert_eq!(found.limits, BUDGET);
    assert!(found.refusals.0.iter().all(|refused| *refused > 100), "{found:?}");
}
