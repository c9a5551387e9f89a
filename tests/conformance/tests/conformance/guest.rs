//! The guest in wasmtime: the module that Envoy loads, called by its plain exports.

use anyhow::{Context, Result};
use tidegate_conformance::{Answer, Question};
use tidegate_e2e::binaries::Binaries;
use wasmtime::{Engine as Compiler, Linker, Memory, Module, Store, TypedFunc};

use crate::engine::Engine;

/// An instance of the guest.
pub(crate) struct Guest {
    store: Store<()>,
    memory: Memory,
    question: TypedFunc<u32, u32>,
    answer: TypedFunc<(), u64>,
}

impl Guest {
    /// # Errors
    /// When there is no guest, or wasmtime does not take it.
    pub(crate) fn load() -> Result<Self> {
        let compiler = Compiler::default();
        let module = Module::from_file(&compiler, Binaries::find_conformance_guest()?)?;
        let mut store = Store::new(&compiler, ());
        let mut linker = Linker::new(&compiler);
        // Envoy's functions: playing a script needs none of them.
        linker.define_unknown_imports_as_traps(&module)?;
        let instance = linker.instantiate(&mut store, &module)?;
        let memory = instance.get_memory(&mut store, "memory").context("the guest exports no memory")?;
        let question = instance.get_typed_func(&mut store, "conformance_question")?;
        let answer = instance.get_typed_func(&mut store, "conformance_answer")?;
        Ok(Self { store, memory, question, answer })
    }

    fn play(&mut self, question: &Question) -> Result<Answer> {
        let bytes = question.encode();
        let room = self.question.call(&mut self.store, u32::try_from(bytes.len())?)?;
        self.memory.write(&mut self.store, room as usize, &bytes)?;
        let place = self.answer.call(&mut self.store, ())?;
        let mut answer = vec![0; (place & u64::from(u32::MAX)) as usize];
        self.memory.read(&self.store, (place >> 32) as usize, &mut answer)?;
        Answer::decode(&answer).context("the guest's answer")
    }
}

impl Engine for Guest {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Answer>> {
        questions.iter().map(|question| self.play(question)).collect()
    }
}
