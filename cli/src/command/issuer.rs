// SPDX-License-Identifier: Apache-2.0
//! `toolgate issuer`: a development OAuth authorization server.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    file,
    issuer::{self, Documents, Issuer, Known, Login, Nonce, Registration, Settings, TokenFormat},
    out::Out,
    signer::{Algorithm, SigningKey},
    yaml::Document,
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read a password from the standard input and print its Argon2id hash
    HashPassword,
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The claim `iss`, and the base of every URL in the metadata; by default the address it listens on
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Clients and users, as YAML; by default alice, bob, root and carol
    #[arg(long, value_name = "FILE")]
    clients: Option<PathBuf>,
    /// How the first key signs
    #[arg(long, value_enum, default_value = "RS256")]
    algorithm: Algorithm,
    /// How long an access token lives
    #[arg(long, value_name = "SPAN", default_value = "30m", value_parser = clock::parse_span)]
    token_lifetime: Duration,
    /// How long a login lives, however often its tokens are renewed
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = clock::parse_span)]
    refresh_lifetime: Duration,
    /// What access tokens look like
    #[arg(long, value_enum, default_value = "jwt")]
    token_format: TokenFormat,
    /// How long the JWKS may be cached
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = clock::parse_span)]
    jwks_max_age: Duration,
    /// The claim `aud` of a token for which no `resource` was named; by default the issuer
    #[arg(long, value_name = "URL")]
    default_audience: Option<String>,
    /// Log this user in without a page and without a password: for demonstrations
    #[arg(long, value_name = "USER")]
    auto_approve: Option<String>,
    /// Refuse clients that register themselves
    #[arg(long)]
    no_registration: bool,
    /// Take client ids that are URLs of a metadata document, and read it from there
    #[arg(long, value_enum, default_value = "off")]
    client_documents: Documents,
    /// Demand a nonce of this issuer in every DPoP proof
    #[arg(long)]
    dpop_nonce: bool,
    /// Allow an address that other machines can reach; administration stays on this machine
    #[arg(long)]
    allow_remote: bool,
}

pub(crate) fn run(args: Args, out: Out) -> Outcome {
    match args.command {
        Some(Command::HashPassword) => hash_password(out),
        None => start(args.serve, out),
    }
}

fn hash_password(out: Out) -> Outcome {
    let text = file::read(Path::new("-"))?;
    let hash = issuer::hash_password(text.trim_end_matches(['\r', '\n']))?;
    out.either(&json!({ "ok": true, "hash": hash }), || hash.clone())?;
    Ok(Exit::Success)
}

fn start(args: Serve, out: Out) -> Outcome {
    if !args.listen.ip().is_loopback() && !args.allow_remote {
        return Err(Failure::refused(format!("`{}` can be reached from other machines", args.listen))
            .help("listen on `127.0.0.1:0`, or add `--allow-remote`: these are development secrets"));
    }
    let known = match &args.clients {
        Some(path) => Known::read(&Document::open(path)?)?,
        None => Known::standard(),
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?
        .block_on(serve(args, known, out))
}

async fn serve(args: Serve, known: Known, out: Out) -> Outcome {
    // Before the first line goes out, so that a signal right after it is not missed.
    let stop = issuer::stop_signal()?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Failure::new(format!("cannot listen on `{}`: {error}", args.listen)).help("port 0 takes a free port")
    })?;
    let address = listener.local_addr().map_err(|error| Failure::new(format!("no address: {error}")))?;
    let here = issuer::local_url(address);
    let settings = settings(&args, &here)?;
    let path = settings.path().to_owned();
    let ready = json!({
        "issuer": settings.issuer,
        "jwks_uri": format!("{here}{path}/jwks"),
        "token_endpoint": format!("{here}{path}/token"),
        "authorization_endpoint": format!("{here}{path}/authorize"),
        "admin": format!("{here}/admin"),
    });
    let key = SigningKey::generate(args.algorithm)?;
    let server = Issuer::new(settings, known, key);
    if let Some(user) = args.auto_approve.as_deref().filter(|user| !server.knows(user)) {
        return Err(Failure::refused(format!("`--auto-approve`: there is no user `{user}`"))
            .help("name one of the `users` of `--clients`; without a file: alice, bob, root or carol"));
    }
    out.value(&ready)?;
    tokio::select! {
        served = issuer::serve(listener, server) => served?,
        () = stop => {}
    }
    Ok(Exit::Success)
}

fn settings(args: &Serve, here: &str) -> Result<Settings, Failure> {
    let issuer = args.issuer.clone().unwrap_or_else(|| here.to_owned());
    let default_audience = args.default_audience.clone().unwrap_or_else(|| issuer.clone());
    Settings {
        issuer,
        default_audience,
        token_lifetime: clock::seconds(args.token_lifetime),
        refresh_lifetime: clock::seconds(args.refresh_lifetime),
        jwks_max_age: clock::seconds(args.jwks_max_age),
        token_format: args.token_format,
        registration: if args.no_registration { Registration::Closed } else { Registration::Open },
        documents: args.client_documents,
        login: args.auto_approve.clone().map_or(Login::Ask, Login::Approve),
        nonce: if args.dpop_nonce { Nonce::Required } else { Nonce::Optional },
    }
    .checked()
}
