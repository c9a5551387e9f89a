//! The guest as a plugin of a real Envoy, whose V8 runs it: questions in its configuration, answers in Envoy's log.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidegate_conformance::{Answer, Question};
use tidegate_e2e::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Extra, Limiter, Listener, Plugin},
    folder, ports,
};

use crate::engine::Engine;

/// Most questions for one Envoy, which answers before it serves, and is expected to serve soon.
const QUESTIONS: usize = 32;
/// What comes before every answer in the log.
const MARK: &str = "conformance answer ";

/// An Envoy for each round of questions.
pub(crate) struct V8 {
    envoy: PathBuf,
    guest: PathBuf,
    rounds: usize,
}

impl V8 {
    /// # Errors
    /// When there is no Envoy or no guest.
    pub(crate) fn find() -> Result<Self> {
        Ok(Self { envoy: Binaries::find_envoy()?, guest: Binaries::find_conformance_guest()?, rounds: 0 })
    }
}

impl Engine for V8 {
    fn name(&self) -> &'static str {
        "V8"
    }

    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for some in questions.chunks(QUESTIONS) {
            answers.extend(self.round(some).await?);
        }
        Ok(answers)
    }
}

impl V8 {
    async fn round(&mut self, questions: &[Question]) -> Result<Vec<Answer>> {
        self.rounds += 1;
        let folder = folder::fresh(&format!("conformance/round-{}", self.rounds))?;
        let nobody = ports::free()?;
        let plugin = Plugin {
            name: "conformance".into(),
            module: self.guest.clone(),
            configuration: json!(
                questions.iter().map(|question| hex::encode(question.encode())).collect::<Vec<_>>()
            ),
            cluster: "nobody".into(),
            forecaster: nobody,
            sees_bodies: false,
        };
        let listener = Listener {
            name: "ingress".into(),
            listen: ports::free()?,
            limiter: Limiter::Tidegate(plugin),
            access_log: None,
        };
        let (listeners, extra) = (vec![listener], Extra::default());
        let config = EnvoyConfig { admin: ports::free()?, upstream: nobody, listeners, extra };
        // Plugins are configured before Envoy serves, so by then everything is in the log.
        let envoy = Envoy::start(&self.envoy, &config, &folder).await?;
        answers(&envoy.log_text(), questions.len())
    }
}

/// The answers in a log: every VM gives all of them, and all the same.
fn answers(log: &str, count: usize) -> Result<Vec<Answer>> {
    let mut found: BTreeMap<usize, &str> = BTreeMap::new();
    let mut lines = 0;
    for line in log.lines() {
        let Some((_, told)) = line.split_once(MARK) else { continue };
        let (number, text) = told.split_once(' ').context("an answer without a number")?;
        let first = *found.entry(number.parse()?).or_insert(text);
        ensure!(first == text, "two VMs of one Envoy answer question {number} differently");
        lines += 1;
    }
    ensure!(found.keys().copied().eq(0..count), "Envoy answers {:?} of {count} questions", found.keys());
    ensure!(lines > count, "only one VM of Envoy has played");
    found
        .values()
        .map(|text| Answer::decode(&hex::decode(text.trim_end())?).context("an answer in Envoy's log"))
        .collect()
}
