// SPDX-License-Identifier: Apache-2.0
//! `toolgate issuer`: a development OAuth authorization server.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    issuer::{self, Clients, Issuer, Settings},
    out::Out,
    signer::{Algorithm, SigningKey},
    yaml::Document,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The claim `iss`, and the base of every URL in the metadata; by default the address it listens on
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Clients, their secrets and roles, as YAML; by default alice, bob, root and carol
    #[arg(long, value_name = "FILE")]
    clients: Option<PathBuf>,
    /// How the first key signs
    #[arg(long, value_enum, default_value = "RS256")]
    algorithm: Algorithm,
    /// How long a token lives
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = clock::parse_span)]
    token_lifetime: Duration,
    /// How long the JWKS may be cached
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = clock::parse_span)]
    jwks_max_age: Duration,
    /// The claim `aud` of a token for which no `resource` was named; by default the issuer
    #[arg(long, value_name = "URL")]
    default_audience: Option<String>,
    /// Allow an address that other machines can reach; administration stays on this machine
    #[arg(long)]
    allow_remote: bool,
}

pub(crate) fn run(args: Args, out: Out) -> Outcome {
    if !args.listen.ip().is_loopback() && !args.allow_remote {
        return Err(Failure::refused(format!("`{}` can be reached from other machines", args.listen))
            .help("listen on `127.0.0.1:0`, or add `--allow-remote`: these are development secrets"));
    }
    let clients = match &args.clients {
        Some(path) => Clients::read(&Document::open(path)?)?,
        None => Clients::standard(),
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?
        .block_on(serve(args, clients, out))
}

async fn serve(args: Args, clients: Clients, out: Out) -> Outcome {
    // Before the first line goes out, so that a signal right after it is not missed.
    let stop = issuer::stop_signal()?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Failure::new(format!("cannot listen on `{}`: {error}", args.listen)).help("port 0 takes a free port")
    })?;
    let address = listener.local_addr().map_err(|error| Failure::new(format!("no address: {error}")))?;
    let here = issuer::local_url(address);
    let settings = settings(&args, &here)?;
    let ready = json!({
        "issuer": settings.issuer,
        "jwks_uri": format!("{here}{}/jwks", settings.path()),
        "token_endpoint": format!("{here}{}/token", settings.path()),
        "admin": format!("{here}/admin"),
    });
    let key = SigningKey::generate(args.algorithm)?;
    let server = Issuer::new(settings, clients, key);
    out.value(&ready)?;
    tokio::select! {
        served = issuer::serve(listener, server) => served?,
        () = stop => {}
    }
    Ok(Exit::Success)
}

fn settings(args: &Args, here: &str) -> Result<Settings, Failure> {
    let issuer = args.issuer.clone().unwrap_or_else(|| here.to_owned());
    let default_audience = args.default_audience.clone().unwrap_or_else(|| issuer.clone());
    Settings {
        issuer,
        default_audience,
        token_lifetime: clock::seconds(args.token_lifetime),
        jwks_max_age: clock::seconds(args.jwks_max_age),
    }
    .checked()
}
