//! An Envoy whose filter takes tokens as each request says, and its counters.

use std::path::Path;

use anyhow::{Result, ensure};
use tidegate_e2e::{
    binaries::Binaries,
    envoy::{Envoy, EnvoyConfig, Extra, INGRESS, Limiter, Listener, Stats},
    folder, http,
    load::{Ask, Client},
    ports,
};

/// How tokens of a common budget are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Add one to a gauge, read it, take it back if that was too much.
    AddFirst,
    /// Read a gauge, add one if there is room.
    ReadFirst,
    /// Read shared data, put one more back if nobody was faster.
    Swap,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes<'n> {
    pub(crate) way: Way,
    /// By each request.
    pub(crate) each: u32,
    pub(crate) budget: u32,
    /// Of the budget.
    pub(crate) name: &'n str,
}

/// What the filter has counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// Somebody was faster.
    pub(crate) again: u64,
    /// Refused, though a token was left.
    pub(crate) wrongly: u64,
}

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) envoy: Envoy,
    client: Client,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::AddFirst, Self::ReadFirst, Self::Swap];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AddFirst => "gauge, add and then read",
            Self::ReadFirst => "gauge, read and then add",
            Self::Swap => "shared data, compare-and-swap",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::AddFirst => 'g',
            Self::ReadFirst => 'r',
            Self::Swap => 'c',
        }
    }
}

impl Counts {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            admitted: self.admitted.saturating_sub(before.admitted),
            refused: self.refused.saturating_sub(before.refused),
            again: self.again.saturating_sub(before.again),
            wrongly: self.wrongly.saturating_sub(before.wrongly),
        }
    }
}

impl Place {
    /// Starts an Envoy with so many workers, which answers every request itself.
    pub(crate) async fn start(root: &Path, workers: u32) -> Result<Self> {
        let folder = folder::within(root, &format!("{workers}-workers"))?;
        let routes =
            "              - match: { prefix: / }\n                direct_response: { status: 200 }\n".into();
        let extra = Extra { routes, ..Extra::default() };
        let extra = extra.filtering("shares", include_str!("shares.wat"), &folder)?;
        let listener = Listener {
            name: INGRESS.into(),
            listen: ports::free()?,
            limiter: Limiter::Nobody,
            access_log: None,
        };
        // Nothing is ever sent upstream.
        let (admin, upstream) = (ports::free()?, ports::free()?);
        let config = EnvoyConfig { admin, upstream, listeners: vec![listener], extra };
        let envoy = Envoy::start_workers(&Binaries::find_envoy()?, &config, workers, &folder).await?;
        Ok(Self { client: Client::new(envoy.listen()), envoy })
    }

    /// Sends requests over so many connections, one under way on each.
    pub(crate) async fn send(&self, takes: Takes<'_>, requests: usize, connections: usize) -> Result<()> {
        let Takes { way, each, budget, name } = takes;
        let ask = Ask::default().with("x-shares", &format!("{}{each:04}{budget:08}{name}", way.letter()));
        let lanes = (0..connections).map(|lane| {
            let (client, ask) = (self.client.clone(), ask.clone());
            let count = (lane..requests).step_by(connections.max(1)).count();
            tokio::spawn(async move {
                for _ in 0..count {
                    let answer = client.ask(&ask).await?;
                    ensure!(answer.admitted(), "a request did not pass: {answer:?}");
                }
                anyhow::Ok(())
            })
        });
        for lane in lanes.collect::<Vec<_>>() {
            lane.await??;
        }
        Ok(())
    }

    /// What the filter has counted since Envoy began.
    pub(crate) async fn counts(&self) -> Result<Counts> {
        let (_, body) = http::get(self.envoy.admin(), "/stats?filter=shares_").await?;
        let stats = Stats::parse(&String::from_utf8_lossy(&body));
        let of = |name: &str| stats.plugin(&format!("shares_{name}"));
        Ok(Counts {
            admitted: of("admitted"),
            refused: of("refused"),
            again: of("again"),
            wrongly: of("wrongly"),
        })
    }
}
