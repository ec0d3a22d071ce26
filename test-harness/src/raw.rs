//! A raw HTTP/1.1 client: sends exactly the bytes it is given.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A request, byte by byte.
#[derive(Clone, Debug)]
pub struct RawRequest {
    head: Vec<u8>,
    body: Vec<u8>,
    length: Option<usize>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// Header names (lower case) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
    /// Whether the body arrived whole.
    pub complete: bool,
}

impl RawRequest {
    /// `METHOD TARGET HTTP/1.1` with `Host: host`.
    #[must_use]
    pub fn new(method: &str, target: impl AsRef<[u8]>, host: &str) -> Self {
        let mut head = format!("{method} ").into_bytes();
        head.extend_from_slice(target.as_ref());
        head.extend_from_slice(format!(" HTTP/1.1\r\nhost: {host}\r\n").as_bytes());
        Self { head, body: Vec::new(), length: None }
    }

    /// Adds a header, bytes as they are.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_ref(), b": ", value.as_ref(), b"\r\n"] {
            self.head.extend_from_slice(part);
        }
        self
    }

    /// The body; `content-length` follows from it unless [`Self::claim`] says otherwise.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Claims another `content-length`: more than the body is a truncated request.
    #[must_use]
    pub fn claim(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        let length = self.length.unwrap_or(self.body.len());
        if length > 0 {
            bytes.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it to 127.0.0.1:`port` and reads the answer.
    ///
    /// # Errors
    /// If there is no connection or no answer.
    pub async fn send(&self, port: u16) -> Result<RawResponse> {
        let mut stream = self.open(port).await?;
        let mut answer = Vec::new();
        let mut piece = [0; 16 * 1024];
        loop {
            // A reset after an early refusal does not undo what was read before it.
            match timeout(PATIENCE, stream.read(&mut piece)).await.context("no answer in time")? {
                Ok(read) if read > 0 => answer.extend_from_slice(piece.get(..read).unwrap_or_default()),
                _ => break,
            }
            // Envoy keeps a connection open for a second where it has answered before the request was whole.
            if RawResponse::parse(&answer).is_some_and(|answer| answer.is_delimited() && answer.complete) {
                break;
            }
        }
        RawResponse::parse(&answer).ok_or_else(|| anyhow!("no HTTP answer in {} bytes", answer.len()))
    }

    /// Sends it and hangs up without waiting for an answer.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn send_and_leave(&self, port: u16) -> Result<()> {
        self.open(port).await?.shutdown().await?;
        Ok(())
    }

    async fn open(&self, port: u16) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        // The other side may refuse before it has read everything; its answer tells.
        stream.write_all(&self.bytes()).await.ok();
        Ok(stream)
    }
}

impl RawResponse {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, if it is.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the head says where the body ends.
    fn is_delimited(&self) -> bool {
        self.header("content-length").is_some()
            || self.header("transfer-encoding").is_some_and(|value| value == "chunked")
    }

    fn parse(answer: &[u8]) -> Option<Self> {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(answer.get(..end)?).into_owned();
        let rest = answer.get(end + 4..)?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect::<Vec<_>>();
        let find = |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value);
        let (body, complete) = if find("transfer-encoding").is_some_and(|value| value == "chunked") {
            dechunk(rest)
        } else {
            let length = find("content-length").and_then(|value| value.parse().ok()).unwrap_or(rest.len());
            (rest.get(..length).unwrap_or(rest).to_vec(), rest.len() >= length)
        };
        Some(Self { status, headers, body, complete })
    }
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let complete = loop {
        let Some((size, after)) = chunk_size(rest) else { break false };
        let Some(chunk) = after.get(..size) else { break false };
        if size == 0 {
            break true;
        }
        body.extend_from_slice(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    };
    (body, complete)
}

fn chunk_size(rest: &[u8]) -> Option<(usize, &[u8])> {
    let end = rest.windows(2).position(|window| window == b"\r\n")?;
    let size = usize::from_str_radix(std::str::from_utf8(rest.get(..end)?).ok()?.trim(), 16).ok()?;
    Some((size, rest.get(end + 2..)?))
}
