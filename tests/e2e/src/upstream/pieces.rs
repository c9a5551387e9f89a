//! A body in pieces, each a moment after the one before.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// What is left of a body.
#[derive(Debug)]
pub(super) struct Pieces {
    left: VecDeque<Bytes>,
    moment: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pieces {
    /// All at once.
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Self { left: VecDeque::from([body.into()]), moment: Duration::ZERO, pause: None }
    }

    /// So many bytes at a time, each a `moment` after those before.
    pub(super) fn slowly(body: &[u8], size: usize, moment: Duration) -> Self {
        Self { left: body.chunks(size.max(1)).map(Bytes::copy_from_slice).collect(), moment, pause: None }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let piece = self.left.pop_front();
        if !self.left.is_empty() {
            self.pause = Some(Box::pin(sleep(self.moment)));
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    /// What comes at once has a content-length; a stream has none.
    fn size_hint(&self) -> SizeHint {
        match self.left.as_slices().0 {
            [whole] if self.pause.is_none() => SizeHint::with_exact(whole.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
