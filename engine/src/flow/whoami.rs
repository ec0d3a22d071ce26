// SPDX-License-Identifier: Apache-2.0
//! Who am I: what the gate knows of a caller, told to that caller.

use super::Desk;
use crate::config::Server;
use crate::deny::Answer;
use crate::identity::Identity;
use crate::json::quoted;
use crate::mcp::{Method, Target};
use crate::policy::{Arguments, Context};
use crate::time::UnixTime;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The answer of a route with `answer: whoami`. `policy` is the route's; the tools are those of the catalogues of
/// servers under the same policy that the caller may call, arguments aside.
pub(super) fn answer(desk: &Desk<'_>, identity: &Identity, policy: usize) -> Answer {
    let facts = identity.facts();
    let list = |texts: &mut dyn Iterator<Item = &str>| {
        let quoted: Vec<String> = texts.map(quoted).collect();
        format!("[{}]", quoted.join(","))
    };
    let text = |value: Option<&str>| value.map_or_else(|| String::from("null"), quoted);
    let rules = desk.policy(policy);
    let roles = list(&mut rules.iter().flat_map(|policy| policy.role_names(identity.roles())));
    let expires =
        identity.expires_at().map_or_else(|| String::from("null"), |at| format!("{}", at.as_secs()));
    let until = identity.valid_until();
    let until = match until == UnixTime::from_secs(u64::MAX) {
        true => String::from("null"),
        false => format!("{}", until.as_secs()),
    };
    let body = format!(
        r#"{{"subject":{},"issuer":{},"client":{},"roles":{roles},"scopes":{},"groups":{},"expires_at":{expires},"valid_until":{until},"tools":{{{}}}}}"#,
        text(identity.subject()),
        text(facts.issuer),
        text(identity.client()),
        list(&mut facts.scopes.iter().map(String::as_str)),
        list(&mut facts.groups.iter().map(String::as_str)),
        tools(desk, identity, policy).join(","),
    );
    Answer::new(200, body, "whoami")
}

fn tools(desk: &Desk<'_>, identity: &Identity, index: usize) -> Vec<String> {
    let Some(policy) = desk.policy(index) else { return Vec::new() };
    let facts = identity.facts();
    let callable = |server: &Server, name: &str| {
        let target = Target::Tool(name.into());
        let context =
            Context::at(desk.now).from(desk.source).of_class(server.class_of(&target)).with(Arguments::Open);
        policy.judge(identity.roles(), &facts, Method::ToolsCall, &target, &context).is_ok()
    };
    let here = desk.config.servers.iter().filter(|server| server.policy == index);
    let each = here.map(|server| {
        let names = server.tools.iter().map(|tool| &*tool.name).filter(|name| callable(server, name));
        let names: Vec<String> = names.map(quoted).collect();
        format!("{}:[{}]", quoted(&server.name), names.join(","))
    });
    each.collect()
}
