//! A mail server that takes every message and keeps it: what an alert looks like to who gets it by mail.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::serve::Server;

/// Longest conversation, in lines.
const MOST: usize = 10_000;

/// The server and what it was sent.
#[derive(Debug)]
pub struct Mail {
    server: Server,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Mail {
    /// Starts on a free port of the loopback.
    ///
    /// # Errors
    /// If there is none.
    pub fn start() -> Result<Self> {
        let taken = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&taken);
        let server = Server::run(move |listener| serve(listener, kept))?;
        Ok(Self { server, taken })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// The messages so far, each with its envelope.
    #[must_use]
    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, taken: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let taken = Arc::clone(&taken);
        tokio::spawn(async move { take(stream, &taken).await });
    }
}

/// One conversation (RFC 5321): every command is answered with success.
async fn take(stream: TcpStream, taken: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut text, mut data) = (String::new(), false);
    write.write_all(b"220 sink\r\n").await?;
    for _ in 0..MOST {
        let Some(line) = lines.next_line().await? else { break };
        let answer = match (data, line.as_str()) {
            (true, ".") => {
                data = false;
                taken.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut text));
                "250 taken\r\n"
            }
            (false, "DATA") => {
                data = true;
                "354 go on\r\n"
            }
            (false, "QUIT") => "221 bye\r\n",
            (false, _) => "250 sink\r\n",
            (true, _) => "",
        };
        text.push_str(&line);
        text.push('\n');
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
