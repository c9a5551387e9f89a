//! Methods that are too dear for the bank of every key, each as one more member of such a bank: for keys that are worth it.
//!
//! Whether one is worth it for a key is for the caller to try. A bank from here keeps as much history as its settings say,
//! for the fits of the method that has joined.

use super::{Entry, MODELS};
use crate::{
    arima::Arima,
    bank::Bank,
    lstm::LongShortTermMemory,
    member::{Member, Recipe},
    mstl::Mstl,
    prophet::Prophet,
    transformer::Attentive,
};

/// The bank of every key with one method more; one line each.
pub const HEAVY: &[Entry] = &[
    with::<Arima>("auto+arima", "the light members of auto, and low-order ARIMA around Fourier terms"),
    with::<Prophet>("auto+prophet", "the light members of auto, and a trend with bends and waves"),
    with::<Mstl>("auto+mstl", "the light members of auto, and seasons by local regression"),
    with::<LongShortTermMemory>("auto+lstm", "the light members of auto, and a recurrent network"),
    with::<Attentive>("auto+transformer", "the light members of auto, and a network that attends"),
];

/// The same without: what each is to be compared with, since memory alone makes a bank better.
pub const LIGHT: Entry = Entry {
    name: "auto",
    summary: "the light members of auto, with as much history as settings say",
    build: |settings| Box::new(Bank::new(&light().collect::<Vec<_>>(), settings)),
    restore: |bytes| Ok(Box::new(Bank::restore(&|_| light().collect(), bytes)?)),
    school: None,
    recipe: None,
    light: false,
    seasonal: false,
};

/// Its weight before anything is known, relative to those of the light members.
const PRIOR: f32 = 2.0;

const fn with<T: Member>(name: &'static str, summary: &'static str) -> Entry {
    Entry {
        name,
        summary,
        build: |settings| Box::new(Bank::new(&recipes::<T>(), settings)),
        restore: |bytes| Ok(Box::new(Bank::restore(&|_| recipes::<T>(), bytes)?)),
        school: None,
        recipe: None,
        light: false,
        seasonal: false,
    }
}

fn recipes<T: Member>() -> Vec<Recipe> {
    light().chain([Recipe::of::<T>(PRIOR)]).collect()
}

fn light() -> impl Iterator<Item = Recipe> {
    MODELS.iter().filter(|entry| entry.light).filter_map(|entry| entry.recipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn each_learns_forecasts_and_comes_back_from_a_snapshot() {
        for entry in HEAVY.iter().chain([&LIGHT]) {
            assert!(entry.name == "auto" || MODELS.iter().all(|other| other.name != entry.name));
            let settings = Settings { history: 200, ..Settings::light(8, 12) };
            let mut model = (entry.build)(&settings);
            for step in 0..150 {
                model.observe(step, 40.0 + (step % 8) as f64);
            }
            model.refit();
            let ahead = model.forecast(150, 8);
            for (forecast, step) in ahead.iter().zip(150_u64..) {
                let wrong = (forecast.mean - 40.0 - (step % 8) as f64).abs();
                assert!(wrong < 2.0, "{}: wrong by {wrong}", entry.name);
            }
            let again = (entry.restore)(&model.snapshot()).unwrap();
            assert_eq!(again.forecast(150, 8), ahead, "{}", entry.name);
        }
    }
}
