//! A bucket for each key: a fixed part of the capacity, whatever the others do.

use tidegate_core::{Source, Timestamp, plan::Claim, plan::max_min_shares};

use super::{Limiter, Passed, Refused, Verdict};
use crate::{error::Error, policy::Policy, trace::Arrival, world::World};

/// One bucket for each key and resource.
pub(crate) struct Shares {
    resources: usize,
    /// Index in the policy of each resource of the trace.
    indices: Vec<Option<usize>>,
    /// By key, then by resource.
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    rate_per_s: f64,
    burst: f64,
    level: f64,
    at: Timestamp,
    /// Part of the capacity.
    share: f64,
}

impl Bucket {
    fn refill(&mut self, now: Timestamp) {
        let refilled = now.since(self.at) as f64 / 1e9 * self.rate_per_s;
        self.level = (self.level + refilled).min(self.burst);
        self.at = now;
    }
}

impl Shares {
    /// Capacity and burst are divided in proportion to usage before the trace; no share of the burst is under one token.
    /// Keys without usage have what an average key has.
    pub(crate) fn new(world: &World, policy: &Policy) -> Self {
        let (keys, resources) = (world.trace.keys.all(), policy.resources.len());
        let indices = policy.resource_indices(&world.trace.resources);
        let index = |resource: u8| indices.get(usize::from(resource)).copied().flatten();
        let start = Timestamp::from_millis(world.starts_at_ms);
        let mut used = vec![0.0; keys.len() * resources];
        for (key, resource, tokens) in world.history.iter().flat_map(|past| &past.used) {
            let place = index(*resource).map(|resource| *key as usize * resources + resource);
            if let Some(sum) = place.and_then(|place| used.get_mut(place)) {
                *sum += *tokens as f64;
            }
        }
        let empty = Bucket { rate_per_s: 0.0, burst: 1.0, level: 1.0, at: start, share: 0.0 };
        let mut buckets = vec![empty; used.len()];
        for (index, resource) in policy.resources.iter().enumerate() {
            let of_resource = || used.iter().skip(index).step_by(resources);
            let average = of_resource().sum::<f64>() / keys.len().max(1) as f64;
            let claims = of_resource().map(|used| Claim {
                priority: 0,
                weight: if *used > 0.0 { *used } else { average.max(1.0) },
                ceiling: f64::INFINITY,
            });
            let shares = max_min_shares(1.0, claims.collect());
            for (bucket, share) in buckets.iter_mut().skip(index).step_by(resources).zip(shares) {
                let burst = (resource.burst as f64 * share).max(1.0);
                let rate_per_s = resource.capacity_per_s * share;
                *bucket = Bucket { rate_per_s, burst, level: burst, at: start, share };
            }
        }
        Self { resources, indices, buckets }
    }
}

impl Limiter for Shares {
    fn decide(&mut self, arrival: &Arrival, _key: &str, now: Timestamp) -> Verdict {
        let resource = self.indices.get(usize::from(arrival.resource)).copied().flatten();
        let place = resource.map(|resource| arrival.key as usize * self.resources + resource);
        let Some(bucket) = place.and_then(|place| self.buckets.get_mut(place)) else {
            return Verdict::Refuse(Refused::Short);
        };
        bucket.refill(now);
        let cost = arrival.cost as f64;
        if bucket.level < cost {
            return Verdict::Refuse(Refused::Short);
        }
        bucket.level -= cost;
        Verdict::Admit(Passed { source: Source::Guaranteed, receipt: None })
    }

    fn tick(&mut self, _now: Timestamp) -> Result<Timestamp, Error> {
        Ok(Timestamp::from_nanos(u64::MAX))
    }

    fn resize(&mut self, capacity_per_s: f64, burst: u64, now: Timestamp) -> Result<(), Error> {
        for bucket in self.buckets.iter_mut().step_by(self.resources.max(1)) {
            bucket.refill(now);
            bucket.rate_per_s = capacity_per_s * bucket.share;
            bucket.burst = (burst as f64 * bucket.share).max(1.0);
        }
        Ok(())
    }
}
