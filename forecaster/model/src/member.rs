//! What a forecasting method has to be: points from values; everything else is the bank's.

use serde::{Serialize, de::DeserializeOwned};

use crate::{forecast::Settings, history::History, school::Shared};

/// A method that forecasts points. The bank around it fills gaps, keeps the history, learns quantiles and bounds what
/// comes out, so a method needs no care for any of these.
///
/// All state must be in its serialised form: that is how snapshots are made.
pub trait Member: Send + Sync + Serialize + DeserializeOwned + 'static {
    /// A method that has seen nothing.
    fn new(settings: &Settings) -> Self;

    /// Learns the newest value of `past`, in constant time.
    fn observe(&mut self, past: &History);

    /// Fills in the forecasts of the steps after the newest value of `past`, which has at least one.
    fn path(&self, past: &History, ahead: &mut [f64]);

    /// Whether its forecasts mean anything yet; until then it has no weight, and no say in a bank.
    fn is_ready(&self) -> bool {
        true
    }

    /// Takes what all series share, as far as it is its own; methods that share nothing have nothing to do.
    fn take(&mut self, shared: &Shared) {
        let _ = shared;
    }

    /// Fits parameters to `past`; methods without any have nothing to do.
    fn refit(&mut self, past: &History) {
        let _ = past;
    }
}

/// A [`Member`] of any type.
pub(crate) trait AnyMember: Send + Sync {
    fn observe(&mut self, past: &History);
    fn path(&self, past: &History, ahead: &mut [f64]);
    fn is_ready(&self) -> bool;
    fn refit(&mut self, past: &History);
    fn take(&mut self, shared: &Shared);
    fn save(&self) -> Vec<u8>;
}

impl<T: Member> AnyMember for T {
    fn observe(&mut self, past: &History) {
        Member::observe(self, past);
    }

    fn path(&self, past: &History, ahead: &mut [f64]) {
        Member::path(self, past, ahead);
    }

    fn is_ready(&self) -> bool {
        Member::is_ready(self)
    }

    fn refit(&mut self, past: &History) {
        Member::refit(self, past);
    }

    fn take(&mut self, shared: &Shared) {
        Member::take(self, shared);
    }

    fn save(&self) -> Vec<u8> {
        // Serialising plain data to memory cannot fail; an empty part would be refused on restoring.
        postcard::to_allocvec(self).unwrap_or_default()
    }
}

/// How a bank makes and restores one of its members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    /// Its weight before anything is known, relative to the others.
    pub(crate) prior: f32,
    pub(crate) make: fn(&Settings) -> Box<dyn AnyMember>,
    pub(crate) load: fn(&[u8]) -> Option<Box<dyn AnyMember>>,
}

impl Recipe {
    pub(crate) const fn of<T: Member>(prior: f32) -> Self {
        Self { prior, make: |settings| Box::new(T::new(settings)), load: load::<T> }
    }
}

fn load<T: Member>(bytes: &[u8]) -> Option<Box<dyn AnyMember>> {
    postcard::from_bytes::<T>(bytes).ok().map(|member| Box::new(member) as Box<dyn AnyMember>)
}
