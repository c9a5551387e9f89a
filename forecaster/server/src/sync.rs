//! The sync stream over gRPC. The only file that knows the RPC library; what is said is [`Session`]'s business.

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use bytes::Bytes;
use tidegate_core::sync::Kind;
use tidegate_proto::{
    Frame,
    sync_server::{Sync, SyncServer},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    app::App,
    planning::{Parcel, Plan},
    session::{Refusal, Session},
};

/// Frames on their way to one proxy; beyond that the stream waits for the proxy to read.
const OUTBOX: usize = 2;
/// A proxy that says nothing after connecting, or that stops reading, is let go.
const PATIENCE: Duration = Duration::from_secs(20);
/// Largest frame taken from a proxy.
const MAX_FRAME_BYTES: usize = 16 << 20;

struct Adapter {
    app: Arc<App>,
}

/// The sync service, to be served next to the HTTP API.
pub(crate) fn router(app: Arc<App>) -> Router {
    let service = SyncServer::new(Adapter { app }).max_decoding_message_size(MAX_FRAME_BYTES);
    Router::new().route_service("/tidegate.sync.v1.Sync/{method}", service)
}

#[tonic::async_trait]
impl Sync for Adapter {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let mut inbox = request.into_inner();
        let first = timeout(PATIENCE, inbox.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no hello came"))??
            .ok_or_else(|| Status::invalid_argument("the stream ended before a hello came"))?;
        let (session, welcome) =
            Session::open(&self.app, Kind::from_i32(first.kind), &first.payload).map_err(status)?;
        let (outbox, frames) = mpsc::channel(OUTBOX);
        let conversation = Conversation { app: Arc::clone(&self.app), session, inbox, outbox };
        tokio::spawn(conversation.run(welcome));
        Ok(Response::new(Box::pin(ReceiverStream::new(frames))))
    }
}

struct Conversation {
    app: Arc<App>,
    session: Session,
    inbox: Streaming<Frame>,
    outbox: mpsc::Sender<Result<Frame, Status>>,
}

/// The other side is gone, or does not read.
struct Gone;

impl Conversation {
    async fn run(mut self, welcome: Vec<u8>) {
        let shutdown = self.app.shutdown.clone();
        if self.send(Kind::Welcome, welcome.into()).await.is_err() {
            return;
        }
        let end = tokio::select! {
            () = shutdown.cancelled() => Some(Status::unavailable("the forecaster is shutting down")),
            end = self.talk() => end,
        };
        if let Some(status) = end {
            // Whoever has gone needs no farewell.
            let _ = timeout(PATIENCE, self.outbox.send(Err(status))).await;
        }
    }

    /// Talks until the proxy leaves (`None`) or must be sent away.
    async fn talk(&mut self) -> Option<Status> {
        let mut plans = self.app.plan.subscribe();
        plans.mark_changed();
        // A proxy that comes back may have the snapshot still.
        let mut snapshot_epoch = self.session.snapshot_epoch();
        loop {
            let sent = tokio::select! {
                changed = plans.changed() => {
                    changed.ok()?;
                    let plan = plans.borrow_and_update().clone();
                    let Some(plan) = plan else { continue };
                    self.push(&plan, &mut snapshot_epoch).await
                }
                frame = self.inbox.message() => {
                    let frame = frame.ok()??;
                    match self.session.receive(Kind::from_i32(frame.kind), &frame.payload).await {
                        Ok(Some((kind, payload))) => self.send(kind, payload.into()).await,
                        Ok(None) => Ok(()),
                        Err(refusal) => return Some(status(refusal)),
                    }
                }
            };
            if sent.is_err() {
                return Some(Status::deadline_exceeded("the proxy does not read"));
            }
        }
    }

    /// Sends the snapshot unless the proxy has it, then the newest delta on it.
    async fn push(&self, plan: &Plan, snapshot_epoch: &mut u64) -> Result<(), Gone> {
        if *snapshot_epoch != plan.snapshot.epoch {
            self.send_parcel(&plan.snapshot).await?;
            *snapshot_epoch = plan.snapshot.epoch;
        }
        match &plan.delta {
            Some(delta) => self.send_parcel(delta).await,
            None => Ok(()),
        }
    }

    async fn send_parcel(&self, parcel: &Parcel) -> Result<(), Gone> {
        self.app.metrics.tables_sent.inc();
        self.send(Kind::Announcement, parcel.announcement.clone()).await?;
        for chunk in &parcel.chunks {
            self.send(Kind::Chunk, chunk.clone()).await?;
        }
        Ok(())
    }

    async fn send(&self, kind: Kind, payload: Bytes) -> Result<(), Gone> {
        let frame = Frame { kind: kind as i32, payload };
        match timeout(PATIENCE, self.outbox.send(Ok(frame))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

fn status(refusal: Refusal) -> Status {
    let says = refusal.to_string();
    match refusal {
        Refusal::Token => Status::unauthenticated(says),
        Refusal::Mismatch(_) => Status::failed_precondition(says),
        Refusal::Malformed(_) => Status::invalid_argument(says),
        Refusal::TooMany => Status::resource_exhausted(says),
        Refusal::NotDurable => Status::unavailable(says),
    }
}
