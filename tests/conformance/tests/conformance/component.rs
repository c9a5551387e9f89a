//! The component that gateways embed, in wasmtime, called by its world. Beside the player of the library this is the only place
//! that turns events into calls: of the world instead of the core.

mod bindings;
mod player;

use anyhow::Result;
use tidegate_conformance::{Answer, Question, play_with};
use tidegate_e2e::binaries::Binaries;
use wasmtime::{
    Engine as Compiler, Store,
    component::{Component as Compiled, Linker},
};

use crate::engine::Engine;
use bindings::PolicyPre;
use player::ComponentPlayer;

/// The compiled component.
pub(crate) struct Component {
    compiler: Compiler,
    policy: PolicyPre<()>,
}

impl Component {
    /// # Errors
    /// When there is no component, or wasmtime does not take it.
    pub(crate) fn load() -> Result<Self> {
        let compiler = Compiler::default();
        let compiled = Compiled::from_file(&compiler, Binaries::find_component()?)?;
        // Nothing is provided: the component imports nothing.
        let policy = PolicyPre::new(Linker::new(&compiler).instantiate_pre(&compiled)?)?;
        Ok(Self { compiler, policy })
    }

    /// Each script has an instance of its own.
    fn play(&self, question: &Question) -> Result<Answer> {
        let mut player = ComponentPlayer::new(Store::new(&self.compiler, ()), &self.policy)?;
        let mut failed = None;
        let answer = play_with(question, |event| {
            player.play(event).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                tidegate_conformance::Outcome::Nothing
            })
        });
        failed.map_or(Ok(answer), Err)
    }
}

impl Engine for Component {
    fn name(&self) -> &'static str {
        "component"
    }

    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Answer>> {
        questions.iter().map(|question| self.play(question)).collect()
    }
}
