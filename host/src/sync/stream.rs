//! One conversation with the forecaster. The only file that knows the RPC library.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tidegate_proto::{Frame, Kind, sync_client::SyncClient};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::{
    clerk::{Clerk, Message},
    link::Shared,
};
use crate::time::Timestamp;

/// How long a connection may take to come about, and the forecaster to say something when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection without traffic is tried out this often.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Largest frame taken from the forecaster: a chunk, or the announcement of the largest table.
const MOST_FRAME_BYTES: usize = 1 << 20;
/// Frames on their way up.
const OUTBOX: usize = 256;
/// How often reports are looked after.
const TICK: Duration = Duration::from_millis(50);

/// Talks until the stream ends, and says why it did. Returns without a reason when it is time to stop and nothing is left to say.
pub(super) async fn converse(shared: &Shared) -> Result<(), String> {
    let mut clerk = Clerk::new(&shared.gate, Timestamp::now()).map_err(told)?;
    let address = clerk.address().map_err(told)?.ok_or("the configuration names no forecaster")?;
    let hello = clerk.hello(shared.gate.next_boot(), shared.gate.epochs()).map_err(told)?;
    let channel = connect(&address, shared.authority.as_deref()).await?;
    let (outbox, frames) = mpsc::channel(OUTBOX);
    let mut conversation = Conversation { shared, clerk, outbox, is_welcome: false };
    conversation.say(Kind::Hello, hello.unwrap_or_default()).await?;
    let mut client = SyncClient::new(channel).max_decoding_message_size(MOST_FRAME_BYTES);
    let answer = timeout(PATIENCE, client.stream(ReceiverStream::new(frames))).await;
    let inbox = answer.map_err(|_| "it does not answer")?.map_err(|status| status.to_string())?;
    conversation.talk(inbox.into_inner()).await
}

async fn connect(address: &str, authority: Option<&[u8]>) -> Result<Channel, String> {
    let mut endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|error| format!("{address:?} is no address such as http://127.0.0.1:7080: {error}"))?
        .connect_timeout(PATIENCE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    if address.starts_with("https:") {
        let tls = match authority {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls).map_err(with_causes)?;
    }
    endpoint.connect().await.map_err(with_causes)
}

struct Conversation<'s> {
    shared: &'s Shared,
    clerk: Clerk,
    outbox: mpsc::Sender<Frame>,
    is_welcome: bool,
}

impl Conversation<'_> {
    async fn talk(&mut self, mut inbox: Streaming<Frame>) -> Result<(), String> {
        let swaps = self.shared.gate.swaps();
        let opened = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                frame = inbox.message() => {
                    let frame = frame.map_err(|status| status.to_string())?;
                    let frame = frame.ok_or("it has ended the stream")?;
                    self.hear(frame).await?;
                }
                _ = ticks.tick() => {
                    if !self.is_welcome {
                        if opened.elapsed() > PATIENCE {
                            return Err("no welcome came".into());
                        }
                        continue;
                    }
                    self.report();
                    if self.shared.gate.swaps() != swaps {
                        return Err("the policy has been replaced: a new conversation".into());
                    }
                    if self.shared.is_stopping() && self.shared.courier().is_empty() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn hear(&mut self, frame: Frame) -> Result<(), String> {
        match self.clerk.receive(frame.kind, &frame.payload).map_err(told)? {
            Message::Nothing => Ok(()),
            Message::Welcome(interval_ms) => {
                self.is_welcome = true;
                self.shared.welcome(interval_ms);
                Ok(())
            }
            Message::Acknowledged(report) => {
                self.shared.courier().acknowledged(report.boot, report.seq);
                Ok(())
            }
            Message::Table(table) => {
                let gate = self.shared.gate.clone();
                let table: Arc<[u8]> = table.into();
                let install = move || gate.apply_table(&table, Timestamp::now());
                let applied =
                    tokio::task::spawn_blocking(install).await.map_err(|error| error.to_string())?;
                self.acknowledge(applied.err().map(|error| error.to_string())).await
            }
            Message::BadTable(reason) => self.acknowledge(Some(reason)).await,
            Message::Unknown(reason) => {
                tracing::warn!("a frame of the forecaster is of no use: {reason}");
                Ok(())
            }
            Message::Hopeless(reason) => Err(reason),
        }
    }

    async fn acknowledge(&mut self, error: Option<String>) -> Result<(), String> {
        if let Some(error) = &error {
            tracing::error!("table refused, the last good one stays in force: {error}");
        }
        let epochs = self.shared.gate.epochs();
        let payload = self.clerk.acknowledge(epochs, error.as_deref()).map_err(told)?;
        self.say(Kind::TableAck, payload).await
    }

    /// Sends what is due; what does not fit comes again later.
    fn report(&self) {
        for report in self.shared.courier().due(std::time::Instant::now()) {
            let frame = Frame { kind: Kind::Report as i32, payload: Bytes::from(report) };
            if self.outbox.try_send(frame).is_err() {
                break;
            }
        }
    }

    async fn say(&self, kind: Kind, payload: Vec<u8>) -> Result<(), String> {
        let frame = Frame { kind: kind as i32, payload: Bytes::from(payload) };
        match timeout(PATIENCE, self.outbox.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err("it has ended the stream".into()),
            Err(_) => Err("it does not read".into()),
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn told(error: crate::Error) -> String {
    error.to_string()
}

/// An error with what caused it: the outermost one alone says only "transport error".
fn with_causes(error: tonic::transport::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
