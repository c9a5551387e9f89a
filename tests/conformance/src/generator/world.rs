//! What a script is about: resources with their budgets, customers, and who else asks.

use alloc::{format, string::String, vec::Vec};

use crate::{
    choices::Choices,
    event::{Ask, SafeBucket, SetUp},
    text::Bytes,
};

const NAMES: [&str; 3] = ["requests", "llm_tokens", "in_flight"];
/// The one that usually is held.
const HELD: &str = "in_flight";
const MICRO: u64 = 1_000_000;

/// The cast.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    resources: Vec<Resource>,
    /// Number of customers that tables may name.
    pub(super) customers: u64,
    /// Number of names that no table ever knows.
    strangers: u64,
}

/// A resource and what there is of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Resource {
    pub(super) name: String,
    /// Micro-tokens per second.
    pub(super) capacity: u64,
    /// Tokens.
    pub(super) burst: u64,
    /// Tables say that its tokens are held, not spent.
    pub(super) held: bool,
}

impl World {
    pub(super) fn choose(choices: &mut Choices<'_>) -> Self {
        let count = choices.between(1, NAMES.len() as u64) as usize;
        let mut resources = Vec::new();
        for name in NAMES.iter().take(count) {
            let (capacity, burst) = budget(choices);
            let held = *name == HELD && !choices.one_in(4);
            resources.push(Resource { name: String::from(*name), capacity, burst, held });
        }
        Self { resources, customers: choices.between(4, 40), strangers: choices.between(1, 60) }
    }

    pub(super) fn resource_count(&self) -> u8 {
        self.resources.len() as u8
    }

    pub(super) fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// What there is of every resource is chosen anew, for the tables to come.
    pub(super) fn change_budgets(&mut self, choices: &mut Choices<'_>) {
        for resource in &mut self.resources {
            (resource.capacity, resource.burst) = budget(choices);
        }
    }

    /// The bounds are small, so that scripts reach them.
    pub(super) fn set_up(&self, choices: &mut Choices<'_>) -> SetUp {
        let mut resources = Vec::new();
        for resource in &self.resources {
            let safe = SafeBucket { capacity: resource.capacity / 2, burst: resource.burst };
            resources.push((resource.name.clone(), Some(safe).filter(|_| !choices.one_in(6))));
        }
        SetUp {
            resources,
            max_unknown_keys: choices.below(30) as u32,
            max_receipts: choices.below(50) as u32,
            max_waiting: choices.pick(&[0, 3, 20, 20, 60]),
            receipt_ttl_ms: choices.below(5_000),
            report_interval_ms: choices.between(0, 2_000) as u32,
        }
    }

    /// The throttling key of anybody, by number: customers, and one whom no table knows.
    pub(super) fn anybody(&self, choices: &mut Choices<'_>) -> Bytes {
        Bytes(Self::customer(choices.below(self.customers + 1)))
    }

    /// The throttling key of a customer.
    pub(super) fn customer(number: u64) -> Vec<u8> {
        format!("customer-{number}").into_bytes()
    }

    pub(super) fn ask(&self, choices: &mut Choices<'_>) -> Ask {
        let key = match choices.below(100) {
            0 => [&[0xff; 300][..], b"long"].concat(),
            1 => Vec::new(),
            2..25 => format!("stranger-{}", choices.below(self.strangers)).into_bytes(),
            // The first few ask most.
            25..70 => Self::customer(choices.below(4)),
            _ => Self::customer(choices.below(self.customers)),
        };
        let class = match choices.below(10) {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        let largest = self.resources.iter().map(|resource| resource.burst).max().unwrap_or(1);
        let parts = super::parts(choices, self.resource_count(), largest);
        // Several parts of which less is welcome are malformed, and rare.
        let partial = choices.one_in(if parts.len() == 1 { 6 } else { 150 });
        Ask { key: Bytes(key), class, parts, may_wait: choices.one_in(3), partial }
    }
}

/// Between one token in a minute and thousands a second; bursts from one token up.
fn budget(choices: &mut Choices<'_>) -> (u64, u64) {
    let capacity = match choices.below(16) {
        0 => choices.between(1, MICRO),
        1..5 => choices.between(MICRO, 20 * MICRO),
        _ => choices.between(20 * MICRO, 2_000 * MICRO),
    };
    let burst = match choices.below(16) {
        0 => choices.between(1, 5),
        1..14 => choices.between(10, 300),
        _ => choices.between(1_000, 100_000),
    };
    (capacity, burst)
}
