//! Every row of `policies/*/cases.yaml` under a real Envoy: the verdict, the reason and the rule that the engine gives.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toolgate_harness::{
    bootstrap::Gateway,
    client::{Answer, Call},
    gate::{Gate, Mode, Upstream},
    paths,
    scripted::{Script, Scripted},
};

/// Rows that ask at another time than now cannot be asked of a running proxy.
const UNDATED_ROWS: usize = 300;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    policy: PathBuf,
    principals: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    routes: Vec<Map<String, Value>>,
    cases: Vec<Case>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    r#as: String,
    call: Option<String>,
    request: Option<String>,
    tool: Option<String>,
    prompt: Option<String>,
    uri: Option<String>,
    args: Option<Value>,
    annotations: Option<Value>,
    answer: Option<Value>,
    list: Option<String>,
    given: Option<Vec<String>>,
    expect: Value,
    rule: Option<String>,
    reason: Option<String>,
    at: Option<u64>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// One folder of `policies/`.
#[derive(Debug)]
struct Example {
    name: String,
    policy: Value,
    file: File,
}

impl Example {
    fn all() -> Result<Vec<Self>> {
        let mut examples = Vec::new();
        for entry in fs::read_dir(paths::repository().join("policies"))? {
            let folder = entry?.path();
            let cases = folder.join("cases.yaml");
            if !cases.is_file() {
                continue;
            }
            let read = |path: &PathBuf| fs::read_to_string(path).with_context(|| path.display().to_string());
            let file: File =
                serde_norway::from_str(&read(&cases)?).with_context(|| cases.display().to_string())?;
            let policy = serde_norway::from_str(&read(&folder.join(&file.policy))?)?;
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            examples.push(Self { name, policy, file });
        }
        examples.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(examples)
    }

    /// The host of its routes; its server is found by path.
    fn host(&self) -> String {
        format!("{}.example.com", self.name)
    }

    fn server(&self, usual: &Value) -> Value {
        let mut server = usual.clone();
        server["name"] = json!(self.name);
        server["match"] = json!({ "hosts": ["127.0.0.1"], "path": format!("/{}", self.name) });
        server["policy"] = json!(self.name);
        // The reasons that are compared are the policy's own.
        server["scope_challenge"] = json!("off");
        server
    }

    fn routes(&self, resource: &Value) -> Vec<Value> {
        let complete = |route: &Map<String, Value>| {
            let mut route = Value::Object(route.clone());
            let unjudged = route.get("allow").is_some();
            route["match"]["hosts"] = json!([self.host()]);
            if !unjudged {
                route["policy"] = json!(self.name);
                route["issuers"] = json!(["corp"]);
                route["resource"] = resource.clone();
            }
            route
        };
        self.file.routes.iter().map(complete).collect()
    }
}

/// Answers carry the rule that let the request through.
fn show_rule(bootstrap: &mut Value) {
    let chain = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0];
    let host = &mut chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0];
    let header = json!({ "key": "x-rule", "value": "%FILTER_STATE(wasm.toolgate_rule:PLAIN)%" });
    host["response_headers_to_add"] = json!([{ "header": header }]);
}

async fn gate(mode: Mode, examples: &[Example]) -> Result<Gate> {
    let configure = |configuration: &mut Value| {
        let usual = configuration["servers"][0].clone();
        configuration["audit"] = json!({ "filter_state": true, "show_rule": true });
        // The default claim paths, as `toolgate policy test` reads them.
        if let Some(issuer) = configuration["issuers"]["corp"].as_object_mut() {
            issuer.remove("claims");
        }
        configuration["servers"] = examples.iter().map(|example| example.server(&usual)).collect();
        configuration["routes"] =
            examples.iter().flat_map(|example| example.routes(&usual["resource"])).collect();
        let policies =
            examples.iter().map(|example| (example.name.clone(), json!({ "inline": example.policy })));
        configuration["policies"] = Value::Object(policies.collect());
    };
    let tune = |gateway: &mut Gateway| gateway.patch = Some(show_rule);
    Gate::start(mode, Upstream::Scripted(Scripted::start()?), configure, tune).await
}

/// The message of a row: a method of the legacy era in that era, all else in the modern one.
fn message(url: String, id: &str, case: &Case) -> Call {
    let method = case.call.as_deref().unwrap_or_default();
    let params = match method {
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "cases", "version": "0" },
        }),
        "logging/setLevel" => json!({ "level": "info" }),
        "subscriptions/listen" => json!({ "notifications": { "resourceSubscriptions": [case.uri] } }),
        "completion/complete" => {
            let reference = match (&case.prompt, &case.uri) {
                (Some(prompt), _) => json!({ "type": "ref/prompt", "name": prompt }),
                (None, uri) => json!({ "type": "ref/resource", "uri": uri }),
            };
            json!({ "ref": reference, "argument": { "name": "x", "value": "" } })
        }
        _ => {
            let mut params = json!({});
            for (key, value) in [("name", &case.tool), ("name", &case.prompt), ("uri", &case.uri)] {
                if let Some(value) = value {
                    params[key] = json!(value);
                }
            }
            if let Some(args) = &case.args {
                params["arguments"] = args.clone();
            }
            params
        }
    };
    match method {
        "initialize" | "logging/setLevel" | "resources/subscribe" => Call::legacy(url, id, method, params),
        _ => Call::modern(url, id, method, params),
    }
}

fn listing(id: &str, list: &str, given: &[String]) -> (String, Value) {
    let (method, member, field) = match list {
        "tools" => ("tools/list", "tools", "name"),
        "prompts" => ("prompts/list", "prompts", "name"),
        "templates" => ("resources/templates/list", "resourceTemplates", "uriTemplate"),
        _ => ("resources/list", "resources", "uri"),
    };
    let items: Vec<Value> = given.iter().map(|name| json!({ "name": name, field: name })).collect();
    (method.to_owned(), json!({ "jsonrpc": "2.0", "id": id, "result": { member: items } }))
}

/// What came of a row, in the words of the row.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    verdict: Value,
    rule: Option<String>,
    reason: Option<String>,
}

fn came(answer: &Answer, list: Option<&str>) -> Came {
    // An answer that a rule has denied is an error of the gate's own, under the status of the server.
    let withheld = answer.status == 200 && answer.message().pointer("/error/data/decision_id").is_some();
    let denied = withheld || answer.status != 200 && answer.status != 202;
    let error = |member: &str| {
        let value = answer.message().pointer(&format!("/error/data/{member}")).cloned();
        value.and_then(|value| value.as_str().map(str::to_owned))
    };
    if denied {
        let plain = || answer.message().get("reason").and_then(Value::as_str).map(str::to_owned);
        return Came { verdict: json!("deny"), rule: error("rule"), reason: error("reason").or_else(plain) };
    }
    let rule = answer.header("x-rule").filter(|rule| !rule.is_empty() && *rule != "-").map(str::to_owned);
    let verdict = match list {
        None => json!("allow"),
        Some("tools") => json!(answer.listed("tools", "name")),
        Some("prompts") => json!(answer.listed("prompts", "name")),
        Some("templates") => json!(answer.listed("resourceTemplates", "uriTemplate")),
        Some(_) => json!(answer.listed("resources", "uri")),
    };
    Came { verdict, rule, reason: None }
}

fn tokens(gate: &Gate, example: &Example) -> Result<BTreeMap<String, String>> {
    let key = gate.issuer.key()?;
    let sign = |(name, principal): (&String, &Map<String, Value>)| {
        let mut claims = gate.claims("", &[]);
        let all = claims.as_object_mut().context("claims are an object")?;
        all.retain(|name, _| !matches!(name.as_str(), "sub" | "roles" | "client_id"));
        all.extend(principal.clone());
        Ok((name.clone(), key.sign(&claims)?))
    };
    example.file.principals.iter().map(sign).collect()
}

async fn ask(gate: &Gate, example: &Example, token: &str, id: &str, case: &Case) -> Result<Came> {
    let url = gate.envoy.url(&format!("/{}", example.name));
    let call = match (&case.request, &case.list) {
        (Some(request), _) => {
            let (method, target) = request.split_once(' ').context("a request line")?;
            return routed(gate, &example.host(), method, target, token).await;
        }
        (None, Some(list)) => {
            let (method, answer) = listing(id, list, case.given.as_deref().unwrap_or_default());
            gate.script()?.on(id, Script::new("application/json").piece(answer.to_string()));
            Call::modern(url, id, &method, json!({})).header("x-script", id)
        }
        (None, None) => {
            if let Some(annotations) = &case.annotations {
                announce(gate, &url, token, id, (&case.tool, annotations)).await?;
            }
            answering(gate.script()?, message(url, id, case), id, case)
        }
    };
    Ok(came(&call.token(token).send().await?, case.list.as_deref()))
}

/// The upstream lists the tool with its annotations, from where the gate learns them.
async fn announce(
    gate: &Gate,
    url: &str,
    token: &str,
    id: &str,
    (tool, annotations): (&Option<String>, &Value),
) -> Result<()> {
    let tools = json!({ "tools": [{ "name": tool, "inputSchema": {}, "annotations": annotations }] });
    let id = format!("{id}-list");
    let answer = json!({ "jsonrpc": "2.0", "id": id, "result": tools });
    gate.script()?.on(&id, Script::new("application/json").piece(answer.to_string()));
    let listed = Call::modern(url.to_owned(), &id, "tools/list", json!({})).header("x-script", &id);
    let status = listed.token(token).send().await?.status;
    ensure!(status == 200, "{id}: {status}");
    Ok(())
}

/// The call, to which the upstream gives the answer of its row.
fn answering(script: &Scripted, call: Call, id: &str, case: &Case) -> Call {
    let Some(answer) = &case.answer else { return call };
    let mut answer = answer.clone();
    answer["jsonrpc"] = json!("2.0");
    answer["id"] = json!(id);
    script.on(id, Script::new("application/json").piece(answer.to_string()));
    call.header("x-script", id)
}

/// A request with exactly this target: a client would resolve its dots.
async fn routed(gate: &Gate, host: &str, method: &str, target: &str, token: &str) -> Result<Came> {
    let request = toolgate_harness::raw::RawRequest::new(method, target, host)
        .header("authorization", format!("Bearer {token}"))
        .header("connection", "close");
    let answer = request.send(gate.envoy.port()).await?;
    let error =
        |member: &str| Some(answer.json()?.pointer(&format!("/error/data/{member}"))?.as_str()?.to_owned());
    Ok(if answer.status < 300 {
        let rule = answer.header("x-rule").filter(|rule| !rule.is_empty() && *rule != "-");
        Came { verdict: json!("allow"), rule: rule.map(str::to_owned), reason: None }
    } else {
        Came { verdict: json!("deny"), rule: error("rule"), reason: error("reason") }
    })
}

async fn every_row(mode: Mode) -> Result<()> {
    let examples = Example::all()?;
    let gate = gate(mode, &examples).await?;
    let (mut asked, mut wrong) = (0, Vec::new());
    for example in &examples {
        let tokens = tokens(&gate, example)?;
        for (at, case) in example.file.cases.iter().enumerate() {
            if case.at.is_some() {
                continue;
            }
            asked += 1;
            let id = format!("{}-{at}", example.name);
            let token = tokens.get(&case.r#as).with_context(|| format!("{id}: no such principal"))?;
            let got =
                ask(&gate, example, token, &id, case).await.with_context(|| format!("{id}: {case:?}"))?;
            let fits = |wish: &Option<String>, got: &Option<String>| wish.is_none() || wish == got;
            let matched =
                got.verdict == case.expect && fits(&case.rule, &got.rule) && fits(&case.reason, &got.reason);
            if !matched {
                wrong.push(format!("{id}: {case:?}\n  got {got:?}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} of {asked} rows differ:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(asked >= UNDATED_ROWS, "only {asked} rows were asked");
    Ok(())
}

#[tokio::test]
async fn every_row_held() -> Result<()> {
    every_row(Mode::Held).await
}

#[tokio::test]
async fn every_row_streamed() -> Result<()> {
    every_row(Mode::Streamed).await
}
