//! The component that gateways embed, in wasmtime, called by its world. Beside the player of the library this is the only place
//! that turns events into calls: of the world instead of the core.

mod bindings;
mod player;

use anyhow::Result;
use tidegate_conformance::{Answer, Question, play_with};
use tidegate_e2e::binaries::Binaries;
use wasmtime::{
    Engine as Compiler, Store,
    component::{Component as Compiled, HasSelf, Linker},
};

use crate::engine::Engine;
use bindings::{
    Policy, PolicyPre,
    tidegate::admission::broker::{Host as Broker, Record},
};
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
        let mut linker = Linker::new(&compiler);
        Policy::add_to_linker::<_, HasSelf<_>>(&mut linker, |nobody: &mut ()| nobody)?;
        let policy = PolicyPre::new(linker.instantiate_pre(&compiled)?)?;
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

/// Who plays alone has no books in common with others.
impl Broker for () {
    fn load(&mut self, _: u32) -> (Record, u64) {
        <(Record, u64)>::default()
    }

    fn store(&mut self, _: u32, _: Record, _: u64) -> bool {
        false
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
