//! Plain GET requests to admin and API ports, answered in full or with a sentence.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{net::TcpStream, time::timeout};

const LIMIT: Duration = Duration::from_secs(10);

/// Status and body of `GET http://address/path`, over a connection of its own.
///
/// # Errors
/// When there is no answer within ten seconds.
pub async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes)> {
    let answer = timeout(LIMIT, exchange(address, path)).await;
    answer
        .context("no answer in time")
        .and_then(|answer| answer)
        .with_context(|| format!("GET http://{address}{path}"))
}

/// The JSON that `GET http://address/path` answers with status 200.
///
/// # Errors
/// Any other status (with the body), or a body that is not what was asked for.
pub async fn get_json<T: DeserializeOwned>(address: SocketAddr, path: &str) -> Result<T> {
    let (status, body) = get(address, path).await?;
    let said = || format!("GET http://{address}{path}: {status}: {}", String::from_utf8_lossy(&body));
    if status != StatusCode::OK {
        bail!(said());
    }
    serde_json::from_slice(&body).with_context(said)
}

/// Text as a value in the query of a path.
#[must_use]
pub fn query_value(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

async fn exchange(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the connection, whose failure shows in the response.
    tokio::spawn(connection);
    let request = Request::get(path).header("host", address.to_string()).body(Empty::<Bytes>::new())?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok((head.status, body.collect().await?.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_value_keeps_nothing_that_means_something_in_a_query() {
        assert_eq!(query_value("a-b_c.d~1"), "a-b_c.d~1");
        assert_eq!(query_value("a b&c=é"), "a%20b%26c%3D%C3%A9");
    }
}
