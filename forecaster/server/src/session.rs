//! One proxy's conversation, apart from how frames travel: hello, reports, acknowledgements.

use std::sync::Arc;

use tidegate_core::{
    WireError,
    report::Report,
    sync::{Hello, Kind, PROTOCOL, ReportAck, TableAck, Welcome},
    table::Table,
};
use tidegate_proto::read_report;
use tidegate_store::Recorded;

use crate::{
    app::App,
    clock,
    details::{self, Beside},
    proxies::{Connected, Proxy},
};

/// Longest name of a proxy in bytes.
const MAX_NAME: usize = 256;

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("wrong or missing token: the proxy's `token` must be the forecaster's")]
    Token,
    #[error("{0}")]
    Mismatch(String),
    #[error("{0}")]
    Malformed(String),
    #[error("too many sync streams are open")]
    TooMany,
    #[error("the database does not take reports at present; send them again")]
    NotDurable,
}

impl Refusal {
    /// The reason in metrics.
    fn label(&self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Mismatch(_) => "mismatch",
            Self::Malformed(_) => "malformed",
            Self::TooMany => "too_many",
            Self::NotDurable => "database",
        }
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        match error {
            WireError::UnknownVersion { .. } => Self::Mismatch(error.to_string()),
            _ => Self::Malformed(error.to_string()),
        }
    }
}

/// A proxy that has been welcomed.
pub(crate) struct Session {
    app: Arc<App>,
    connected: Connected,
    proxy: String,
    boot: u64,
    snapshot_epoch: u64,
}

impl Session {
    /// Hears the first frame; returns the session and the welcome to send.
    pub(crate) fn open(
        app: &Arc<App>,
        kind: Option<Kind>,
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>), Refusal> {
        let opened = Self::try_open(app, kind, payload);
        if let Err(refusal) = &opened {
            app.metrics.stream_refused(refusal.label());
        }
        opened
    }

    fn try_open(app: &Arc<App>, kind: Option<Kind>, payload: &[u8]) -> Result<(Self, Vec<u8>), Refusal> {
        if kind != Some(Kind::Hello) {
            return Err(Refusal::Malformed("the first frame must be a hello".to_owned()));
        }
        let hello = Hello::decode(payload)?;
        if app.config.token.as_ref().is_some_and(|token| !token.matches(&hello.token)) {
            tracing::warn!(proxy = hello.proxy, "refused a proxy with a wrong or missing token");
            return Err(Refusal::Token);
        }
        check(&hello)
            .inspect_err(|refusal| tracing::warn!(proxy = hello.proxy, "refused a proxy: {refusal}"))?;
        let proxy = Proxy {
            name: hello.proxy.clone(),
            boot: hello.boot,
            since_ms: clock::now_ms(),
            table_epoch: hello.table_epoch,
            table_error: None,
            last_seq: 0,
            dropped: 0,
        };
        let connected = app.proxies.connect(proxy).ok_or(Refusal::TooMany)?;
        greet(app, &hello);
        let report_interval_ms = app.config.report_interval_ms;
        let welcome = Welcome { protocol: PROTOCOL, report_interval_ms };
        let Hello { proxy, boot, snapshot_epoch, .. } = hello;
        Ok((Self { app: Arc::clone(app), connected, proxy, boot, snapshot_epoch }, welcome.encode()))
    }

    /// The snapshot that the proxy had when it came, 0 for none.
    pub(crate) const fn snapshot_epoch(&self) -> u64 {
        self.snapshot_epoch
    }

    /// Hears one frame; returns the answer to send, if there is one.
    pub(crate) async fn receive(
        &mut self,
        kind: Option<Kind>,
        payload: &[u8],
    ) -> Result<Option<(Kind, Vec<u8>)>, Refusal> {
        match kind {
            Some(Kind::Report) => {
                let ack = self.report(payload).await?;
                Ok(Some((Kind::ReportAck, ack.encode())))
            }
            Some(Kind::TableAck) => {
                self.table_ack(TableAck::decode(payload)?);
                Ok(None)
            }
            _ => Err(Refusal::Malformed("a proxy sends reports and table acknowledgements only".to_owned())),
        }
    }

    async fn report(&mut self, payload: &[u8]) -> Result<ReportAck, Refusal> {
        let (report, beside) = read(payload).inspect_err(|refusal| {
            self.app.metrics.report("malformed");
            tracing::warn!(proxy = self.proxy, "ended a stream because of a malformed report: {refusal}");
        })?;
        let recorded = self.app.ingest.record(&self.proxy, &report, &beside).await;
        if recorded.map_err(|_| Refusal::NotDurable)? == Recorded::Added {
            self.app.note(&beside, clock::now_ms());
            self.app.note_wishes(&report);
        }
        self.connected.update(|proxy| {
            proxy.last_seq = proxy.last_seq.max(report.seq);
            proxy.dropped = report.dropped;
        });
        Ok(ReportAck { boot: report.boot, seq: report.seq })
    }

    fn table_ack(&self, ack: TableAck) {
        let result = if ack.error.is_none() { "applied" } else { "rejected" };
        self.app.metrics.table_ack(result);
        if let Some(error) = &ack.error {
            tracing::warn!(
                proxy = self.proxy,
                epoch = ack.epoch,
                error,
                "a proxy refused a table and keeps its last one"
            );
        }
        self.connected.update(|proxy| {
            proxy.table_epoch = ack.epoch;
            proxy.table_error = ack.error;
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        tracing::info!(proxy = self.proxy, boot = self.boot, "proxy disconnected");
    }
}

/// A report, with or without details.
fn read(payload: &[u8]) -> Result<(Report, Beside), Refusal> {
    let message = read_report(payload).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let report = Report::decode(&message.report)?;
    let beside = details::read(&message, &report).map_err(|error| Refusal::Malformed(error.to_string()))?;
    Ok((report, beside))
}

fn check(hello: &Hello) -> Result<(), Refusal> {
    let mismatch = |what: &str, theirs: u16, ours: u16| {
        let newer = if theirs > ours { "forecaster" } else { "proxy" };
        Err(Refusal::Mismatch(format!(
            "the proxy speaks {what} {theirs}, the forecaster {ours}: upgrade the {newer}"
        )))
    };
    if hello.protocol != PROTOCOL {
        return mismatch("protocol", hello.protocol, PROTOCOL);
    }
    if hello.table_format != Table::FORMAT {
        return mismatch("table format", hello.table_format.into(), Table::FORMAT.into());
    }
    if hello.report_format != Report::FORMAT {
        return mismatch("report format", hello.report_format.into(), Report::FORMAT.into());
    }
    if hello.proxy.is_empty() || hello.proxy.len() > MAX_NAME {
        return Err(Refusal::Malformed(format!("a proxy's name has 1 to {MAX_NAME} bytes")));
    }
    Ok(())
}

fn greet(app: &App, hello: &Hello) {
    tracing::info!(
        proxy = hello.proxy,
        boot = hello.boot,
        table_epoch = hello.table_epoch,
        "proxy connected"
    );
    let configured = |name: &String| app.config.resources.iter().any(|resource| resource.name == *name);
    for resource in hello.resources.iter().filter(|name| !configured(name)) {
        tracing::warn!(
            proxy = hello.proxy,
            resource,
            "a proxy limits a resource that the forecaster does not know: add it to `resources`"
        );
    }
    let names = app.proxies.names();
    if names > 1 {
        tracing::warn!(proxies = names, "several proxies are connected: each is given the whole capacity");
    }
}
