//! The link to the forecaster: reports up, tables down, over one bidirectional gRPC stream.
//!
//! What the frames mean is the policy's business: an instance of its own, the clerk, reads them, so no table is put together on the
//! request path and the gate needs no key to check a signature. Without the forecaster a gate goes on with what it has.
//!
//! | file | idea |
//! |---|---|
//! | `link` | staying connected, and what is due beside it |
//! | `stream` | one conversation; the only file that knows the RPC library |
//! | `clerk` | what frames mean |
//! | `courier` | reports until they are durable |
//! | `backoff` | when to try again |

mod backoff;
mod clerk;
mod courier;
mod link;
mod stream;

pub use link::Link;
