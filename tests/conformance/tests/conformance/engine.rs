//! What plays scripts, and how two that differ are told apart.

use anyhow::{Context, Result, bail, ensure};
use tidegate_conformance::{Answer, Event, Outcome, Question, play};

/// Something that plays scripts.
pub(crate) trait Engine {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// Answers in the order of the questions.
    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Answer>>;
}

/// The core as the forecaster and the tests link it.
pub(crate) struct Native;

impl Engine for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Answer>> {
        Ok(questions.iter().map(play).collect())
    }
}

/// # Errors
/// The first event of which the two make something different, and what each makes of it.
pub(crate) async fn compare(
    questions: &[Question],
    (one, one_says): (&mut impl Engine, &[Answer]),
    (other, other_says): (&mut impl Engine, &[Answer]),
) -> Result<()> {
    ensure!(one_says.len() == questions.len() && other_says.len() == questions.len(), "answers are missing");
    for (question, (first, second)) in questions.iter().zip(one_says.iter().zip(other_says)) {
        let Some(detail) = question.about_difference(first, second) else { continue };
        let detail = [detail];
        let told = one.ask(&detail).await?.pop().context("no answer")?.told;
        let other_told = other.ask(&detail).await?.pop().context("no answer")?.told;
        let (one, other) = (one.name(), other.name());
        bail!(
            "{one} and {other} differ on {:?}:\n{}",
            question.recipe,
            first_difference(detail, (one, &told), (other, &other_told))
        );
    }
    Ok(())
}

type Told<'a> = (&'static str, &'a [(Event, Outcome)]);

fn first_difference([question]: [Question; 1], (one, first): Told<'_>, (other, second): Told<'_>) -> String {
    let pairs = (question.from..).zip(first.iter().zip(second));
    for (number, ((event, outcome), (other_event, other_outcome))) in pairs {
        if event != other_event {
            return format!(
                "event {number}, the script itself\n  {one}: {event:?}\n  {other}: {other_event:?}"
            );
        }
        if outcome != other_outcome {
            return format!("event {number}: {event:?}\n  {one}: {outcome:?}\n  {other}: {other_outcome:?}");
        }
    }
    let (first, second) = (first.len(), second.len());
    format!("from event {} on, {one} plays {first} and {other} {second} in this block", question.from)
}

#[test]
fn the_first_difference_is_told() {
    let told = |settled| vec![(Event::Advance, Outcome::Nothing), (Event::Report, Outcome::Settled(settled))];
    let question = Question { recipe: tidegate_conformance::Recipe::Bytes(Vec::new()), from: 256, to: 512 };
    let text = first_difference([question], ("one", &told(true)), ("other", &told(false)));
    assert_eq!(text, "event 257: Report\n  one: Settled(true)\n  other: Settled(false)");
}
