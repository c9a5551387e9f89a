//! What requests of a key are like, as the API shows it: where they come from, whose they are, what they take.

use serde::Serialize;
use tidegate_learn::{Learner, Profile, Shares, Spread};

use crate::{app::App, details::middle};

/// The part of lately that has a name.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ShareView {
    pub(super) name: String,
    pub(super) share: f64,
}

/// What a request takes: so much or less for half of them, for nine in ten, for 99 in a hundred.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct SpreadView {
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    /// Requests that this is known of, old ones counted for less.
    pub(super) requests: f64,
}

/// What requests of one key on one resource are like; nothing of what nobody told.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ProfileView {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) regions: Vec<ShareView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) account_types: Vec<ShareView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) client_versions: Vec<ShareView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us: Option<SpreadView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_bytes: Option<SpreadView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network_bytes: Option<SpreadView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_ms: Option<SpreadView>,
}

/// What is known of a key; `None` if nothing is.
pub(super) fn of(app: &App, learner: &Learner, key: &str, resource: usize) -> Option<ProfileView> {
    let regions = learner.regions_of(key, resource).map(shares).unwrap_or_default();
    let profiles = app.profiles();
    let known = profiles.get(key, resource);
    if regions.is_empty() && known.is_none() {
        return None;
    }
    Some(ProfileView { regions, ..known.map(view).unwrap_or_default() })
}

fn view(profile: &Profile) -> ProfileView {
    ProfileView {
        regions: Vec::new(),
        account_types: shares(&profile.account_types),
        client_versions: shares(&profile.client_versions),
        cpu_us: spread(&profile.cpu_us),
        memory_bytes: spread(&profile.memory_bytes),
        network_bytes: spread(&profile.network_bytes),
        duration_ms: spread(&profile.duration_ms),
    }
}

fn shares(shares: &Shares) -> Vec<ShareView> {
    let view =
        |(name, share): (&str, f64)| ShareView { name: name.to_owned(), share: (share * 1e4).round() / 1e4 };
    shares.parts().into_iter().map(view).collect()
}

fn spread(spread: &Spread) -> Option<SpreadView> {
    let at = |level: f64| spread.quantile(level).map(middle);
    Some(SpreadView { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)?, requests: super::tidy(spread.count()) })
}
