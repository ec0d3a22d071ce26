//! Rows about a login through a browser: code, PKCE, and the token that renews it.

use anyhow::Result;
use serde_json::json;

use super::{Row, Stage};
use crate::issuer::Client;

pub(super) async fn rows(stage: &Stage) -> Result<Vec<Row>> {
    let login = stage.issuer.log_in(Client::Alice, &stage.url()).await?;
    let call = |mark: &str, token: &str| stage.call(mark, "echo", json!({})).token(token);
    let opened = call("login", &login.access);
    let what = "logs in through a browser, calls echo";
    let mut rows = vec![stage.row("alice", what, "200", "login", &opened).await?];
    let what = "the refresh token as an access token";
    let misused = call("misused", &login.refresh);
    rows.push(stage.row("alice", what, "401 (code 401)", "misused", &misused).await?);
    let renewed = stage.issuer.renew(&login).await?;
    let call = call("renewed", &renewed.access);
    rows.push(stage.row("alice", "renews the login, calls echo", "200", "renewed", &call).await?);
    let again = match stage.issuer.renew(&login).await {
        Ok(_) => "renewed",
        Err(_) => "refused by the issuer",
    };
    rows.push(Row::new("mallory", "the refresh token a second time", "refused by the issuer", again));
    Ok(rows)
}
