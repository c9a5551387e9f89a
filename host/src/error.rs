//! What can go wrong outside of a decision. Deciding itself never fails: it answers by the fail mode.

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such file, or it cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The bytes are no component of the world `tidegate:admission/policy`, or it cannot be compiled.
    #[error("no policy component: {0:#}")]
    Component(wasmtime::Error),
    /// The component trapped, ran out of time or out of memory; its instance is made anew.
    #[error("the policy failed: {0:#}")]
    Policy(wasmtime::Error),
    /// The policy is being made anew after a failure.
    #[error("the policy is being restarted")]
    Restarting,
    /// The configuration has problems, all of which are here.
    #[error("the configuration is refused: {}", .0.join("; "))]
    Configuration(Vec<String>),
    /// The table is not taken; the last good one stays in force.
    #[error("the table is refused: {0}")]
    Table(String),
    /// What was asked for needs a configuration.
    #[error("the gate was built from resources, not from a configuration, so it has no {0}")]
    NoRules(&'static str),
    /// A gate has neither resources nor a configuration.
    #[error("a gate needs a component, and either resources or a configuration")]
    Incomplete,
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
