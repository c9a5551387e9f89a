//! A forecaster's end of the sync stream in the hands of a test: what the proxy says, and whatever it should be told.

use std::{iter, net::SocketAddr, pin::Pin};

use anyhow::{Context, Result};
use tidegate_core::{
    sync::{Hello, Kind, PROTOCOL, TableAck, Welcome},
    transfer::{Announcement, Chunk},
};
use tidegate_proto::{
    Frame,
    sync_server::{Sync, SyncServer},
};
use tokio::{
    sync::{Mutex, mpsc},
    task::AbortHandle,
    time::timeout,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use crate::world::SOON;

/// A table on its way: what is to be said of it, in order.
pub(crate) type Parcel = Vec<(Kind, Vec<u8>)>;

/// What is to be said of a table that was taken apart.
pub(crate) fn parcel((announcement, chunks): (Announcement, Vec<Chunk>)) -> Parcel {
    let chunks = chunks.iter().map(|chunk| (Kind::Chunk, chunk.encode()));
    iter::once((Kind::Announcement, announcement.encode())).chain(chunks).collect()
}

/// Where proxies come to; ends with its value.
pub(crate) struct Lines {
    lines: mpsc::Receiver<Line>,
    serving: AbortHandle,
}

impl Lines {
    /// Takes streams at `address`.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let (sender, lines) = mpsc::channel(1);
        let service = SyncServer::new(Server { lines: Mutex::new(sender) });
        let serving = tokio::spawn(tonic::transport::Server::builder().add_service(service).serve(address));
        Self { lines, serving: serving.abort_handle() }
    }

    /// The next proxy that comes, and how it introduced itself; it is welcomed.
    ///
    /// # Errors
    /// When none comes.
    pub(crate) async fn welcome(&mut self) -> Result<(Line, Hello)> {
        let mut line = timeout(SOON, self.lines.recv()).await?.context("the proxy does not come")?;
        let hello = Hello::decode(&line.hear(Kind::Hello).await?)?;
        line.say(Kind::Welcome, Welcome { protocol: PROTOCOL, report_interval_ms: 1_000 }.encode()).await?;
        Ok((line, hello))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One stream.
pub(crate) struct Line {
    down: mpsc::Sender<Result<Frame, Status>>,
    up: mpsc::Receiver<Frame>,
}

struct Server {
    lines: Mutex<mpsc::Sender<Line>>,
}

#[tonic::async_trait]
impl Sync for Server {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let mut inbox = request.into_inner();
        let (down, frames) = mpsc::channel(64);
        let (said, up) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Ok(Some(frame)) = inbox.message().await {
                if said.send(frame).await.is_err() {
                    return;
                }
            }
        });
        self.lines.lock().await.send(Line { down, up }).await.map_err(|_| Status::unavailable("over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(frames))))
    }
}

impl Line {
    /// Says something to the proxy.
    ///
    /// # Errors
    /// When it has gone.
    pub(crate) async fn say(&self, kind: Kind, payload: Vec<u8>) -> Result<()> {
        let frame = Frame { kind: kind as i32, payload: payload.into() };
        self.down.send(Ok(frame)).await.context("the proxy is gone")
    }

    /// The next frame of this kind.
    ///
    /// # Errors
    /// When it does not come soon.
    pub(crate) async fn hear(&mut self, kind: Kind) -> Result<Vec<u8>> {
        loop {
            let frame = timeout(SOON, self.up.recv()).await?.context("the proxy is gone")?;
            if frame.kind == kind as i32 {
                return Ok(frame.payload.into());
            }
        }
    }

    /// Sends a table and returns what the proxy makes of it.
    ///
    /// # Errors
    /// When the proxy says nothing.
    pub(crate) async fn push(&mut self, parcel: Parcel) -> Result<TableAck> {
        self.send(parcel).await?;
        self.verdict().await
    }

    /// Sends a table.
    ///
    /// # Errors
    /// When the proxy has gone.
    pub(crate) async fn send(&self, parcel: Parcel) -> Result<()> {
        for (kind, payload) in parcel {
            self.say(kind, payload).await?;
        }
        Ok(())
    }

    /// What the proxy makes of a table.
    ///
    /// # Errors
    /// When it says nothing.
    pub(crate) async fn verdict(&mut self) -> Result<TableAck> {
        Ok(TableAck::decode(&self.hear(Kind::TableAck).await?)?)
    }
}
