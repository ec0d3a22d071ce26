//! The upstream of the benchmark: a process of its own that reads the whole body and answers a tool's result.
//!
//! Never Envoy's `direct_response`: it answers before a POST's body is in and closes the connection, so that one
//! would measure connection churn.

use std::{io::Write, net::Ipv4Addr};

use anyhow::{Result, ensure};
use axum::{Router, body::Bytes, http::header, response::IntoResponse};
use tokio::net::TcpListener;

const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"sunny, 24 degrees"}]}}"#;

/// Serves for ever on a free port, whose number is the first line of stdout.
///
/// # Errors
/// If no port can be bound, or stdout is gone.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        axum::serve(listener, Router::new().fallback(answer)).await?;
        ensure!(false, "the upstream ended");
        Ok(())
    })
}

async fn answer(body: Bytes) -> impl IntoResponse {
    // The body is an argument, so all of it has been read by now.
    drop(body);
    ([(header::CONTENT_TYPE, "application/json")], ANSWER)
}
