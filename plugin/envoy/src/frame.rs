//! The frame of the sync stream, as `forecaster/proto/proto/sync.proto` defines it.

use prost::Message;
use tidegate_core::sync::Kind;

/// One message of the stream; the payload is tidegate-core's own bytes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Frame {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    payload: Vec<u8>,
}

/// The bytes of a frame.
pub(crate) fn encode(kind: Kind, payload: Vec<u8>) -> Vec<u8> {
    Frame { kind: kind as i32, payload }.encode_to_vec()
}

/// Kind and payload of a frame; `None` when the bytes are no frame or the kind is not known.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Kind, Vec<u8>)> {
    let frame = Frame::decode(bytes).ok()?;
    Some((Kind::from_i32(frame.kind)?, frame.payload))
}
