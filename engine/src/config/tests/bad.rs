// SPDX-License-Identifier: Apache-2.0
//! Everything that is refused: where, what, and how to mend it.

use super::*;

fn server(from: &str, to: &str) -> String {
    assert!(SERVER.contains(from), "{from}");
    Parts { server: &SERVER.replace(from, to), ..PARTS }.json()
}

fn more(server: &str) -> String {
    Parts { server: &format!("{SERVER},{server}"), ..PARTS }.json()
}

fn top(top: &str) -> String {
    Parts { top, ..PARTS }.json()
}

const ISSUER: &str = r#""issuer":"https://idp.example.com","audiences":["https://mcp.example.com/mcp"],"algorithms":["RS256"],"jwks":{"inline":JWKS}"#;
const REMOTE: &str = r#""jwks":{"uri":"https://idp.example.com/jwks"}"#;

fn issuer(from: &str, to: &str) -> String {
    assert!(ISSUER.contains(from), "{from}");
    Parts { issuer: &ISSUER.replace(from, to), ..PARTS }.json()
}

fn remote(jwks: &str) -> String {
    let issuer = ISSUER.replace(
        r#""jwks":{"inline":JWKS}"#,
        &format!(r#""jwks":{{"uri":"https://idp.example.com/jwks",{jwks}}}"#),
    );
    Parts { issuer: &issuer, top: r#","clusters":{"idp.example.com":"idp"}"#, ..PARTS }.json()
}

fn route(route: &str) -> String {
    top(&format!(r#","routes":[{{"name":"r","match":{{"path":"/r"}}{route}}}]"#))
}

fn policy(inline: &str) -> String {
    PARTS.json().replace(r#"{"version":1,"roles":{"guest":{},"developer":{}}}"#, inline)
}

fn refused(rows: &[(String, &str)]) {
    for (json, expected) in rows {
        assert_eq!(complaint(json), *expected, "{json}");
    }
}

#[test]
fn the_document_itself() {
    refused(&[
        ("{".to_string(), ": the configuration is not JSON: the text ends inside a value (byte 1) | -"),
        (
            r#"{"servers":[]}"#.to_string(),
            "servers: the server list is empty, so the gate would guard nothing | add a server under `servers`",
        ),
        (r#"{"issuers":{}}"#.to_string(), ": the key `servers` is missing | add `servers`"),
        (r#"{"servers":{}}"#.to_string(), "servers: expected a list, found a mapping | -"),
        (top(r#","isuers":{}"#), "isuers: unknown key `isuers` | did you mean `issuers`?"),
        (
            top(r#","host":{"headers_stop":true}"#),
            "host.headers_stop: unknown key `headers_stop` | known here: `headers_stop_iteration`, `route_metadata`, `presence`",
        ),
        (
            top(r#","unmatched":"pas""#),
            "unmatched: `pas` is not one of the words known here | did you mean `pass`?",
        ),
        (
            top(r#","audit":{"filter_state":true,"filter_state_names":["subjet"]}"#),
            "audit.filter_state_names[0]: `subjet` is not one of the words known here | did you mean `subject`?",
        ),
        (
            top(r#","audit":{"filter_state":true,"filter_state_names":[]}"#),
            "audit.filter_state_names: there is no name | set `audit.filter_state: false`, or add one",
        ),
        (
            top(r#","audit":{"filter_state_names":["subject"]}"#),
            "audit.filter_state_names: filter state is off | set `audit.filter_state: true`, or take it out",
        ),
        (
            top(r#","unmatched":null"#),
            "unmatched: expected a word, found a null | known here: `refuse`, `pass`",
        ),
    ]);
}

#[test]
fn servers() {
    refused(&[
        (
            server(r#""policy":"default""#, r#""policy":"defualt""#),
            "servers[0].policy: there is no policy `defualt` | did you mean `default`?",
        ),
        (
            server(r#"["corp"]"#, r#"["crop"]"#),
            "servers[0].issuers[0]: there is no issuer `crop` | did you mean `corp`?",
        ),
        (
            server(r#"["corp"]"#, r#"["keycloak"]"#),
            "servers[0].issuers[0]: there is no issuer `keycloak` | define it under `issuers`",
        ),
        (
            server(r#"["corp"]"#, r#"["corp","corp"]"#),
            "servers[0].issuers[1]: two issuers here have the `issuer` `https://idp.example.com`, so the second would never be asked | keep one of them",
        ),
        (
            server(r#"["corp"]"#, "[]"),
            "servers[0].issuers: nobody could call server `s`: it accepts no credentials and has no `anonymous` | add `issuers`",
        ),
        (
            server(r#""name":"s""#, r#""name":"a b""#),
            "servers[0].name: `a b` cannot name a server | use up to 64 letters, digits, `-`, `_` and `.`",
        ),
        (
            server(r#"{"path":"/mcp"}"#, r#"{"path":"/mcp/"}"#),
            "servers[0].match.path: `/mcp/` could be read in two ways | write it plainly: `/`, then segments, no `.`, `%`, `;` or slash at the end",
        ),
        (
            server(r#"{"path":"/mcp"}"#, r#"{"path_prefix":"mcp"}"#),
            "servers[0].match.path_prefix: `mcp` could be read in two ways | write it plainly: `/`, then segments, no `.`, `%`, `;` or slash at the end",
        ),
        (
            server(r#"{"path":"/mcp"}"#, "{}"),
            "servers[0].match: it is not said which path is meant | add `path`",
        ),
        (
            server(r#"{"path":"/mcp"}"#, r#"{"path":"/a","path_prefix":"/b"}"#),
            "servers[0].match: `path`, `path_prefix` and `path_template` exclude each other | keep one of them",
        ),
        (
            server(r#"{"path":"/mcp"}"#, r#"{"path_template":"/a/{x}"}"#),
            "servers[0].match.path_template: an MCP server has one path | write `path` or `path_prefix`",
        ),
        (
            server(r#"{"path":"/mcp"}"#, r#"{"path":"/mcp","hosts":["a b"]}"#),
            "servers[0].match.hosts[0]: `a b` is not a host name | write it like `mcp.example.com`, with `:port` if wanted",
        ),
        (
            server(r#"{"path":"/mcp"}"#, r#"{"path":"/mcp","hosts":[]}"#),
            "servers[0].match.hosts: an empty list matches no host | name a host, or leave `hosts` out for every host",
        ),
        (
            server(r#"{"path":"/mcp"}"#, r#"{"path":"/mcp","methods":["POST"]}"#),
            "servers[0].match.methods: MCP fixes the HTTP methods of a server | take `methods` out",
        ),
        (
            server("https://mcp.example.com/mcp", "mcp.example.com"),
            "servers[0].resource: `mcp.example.com` is not an absolute URL without fragment | write it like `https://mcp.example.com/mcp`",
        ),
        (
            server("https://mcp", "https://joe:s3cr3t@mcp"),
            "servers[0].resource: a URL with user information is not an absolute URL without fragment | write it like `https://mcp.example.com/mcp`",
        ),
        (
            more(r#""versions":["2025-03-27"]"#),
            "servers[0].versions[0]: `2025-03-27` is not a version of MCP | known here: `2024-11-05`, `2025-03-26`, `2025-06-18`, `2025-11-25`, `2026-07-28`",
        ),
        (
            more(r#""versions":[]"#),
            "servers[0].versions: no version may be spoken | leave `versions` out for the default",
        ),
        (
            more(r#""anonymous":{"role":"gest"}"#),
            "servers[0].anonymous.role: policy `default` has no role `gest` | did you mean `guest`?",
        ),
        (
            more(r#""denial":"hiden""#),
            "servers[0].denial: `hiden` is not one of the words known here | did you mean `hidden`?",
        ),
        (
            more(r#""answers":"list""#),
            "servers[0].answers: `list` is not one of the words known here | did you mean `lists`?",
        ),
        (
            more(r#""answers":"lists","server_requests":{"roots":"deny"}"#),
            "servers[0].answers: `server_requests` denies something that may come in any answer, and `lists` leaves answers out | take `answers` out",
        ),
        (
            more(r#""tasks":"bound""#),
            "servers[0].tasks: tasks are bound to their callers under a secret, and there is none | add `secrets.shared_state`",
        ),
        (
            more(r#""tasks":"bound","answers":"lists""#),
            "servers[0].tasks: a task may come in any answer, and `answers: lists` leaves answers out | take `answers` out",
        ),
        (
            more(r#""tools":{"catalogue":[{"name":"a","class":"write","metrics":{}}]}"#),
            "servers[0].tools.catalogue[0].metrics: `metrics` counts nothing: the tool's `class` is not one of those that are metered | name its class in `metrics.classes` (agent, task, memory and neural are there by default)",
        ),
        (
            more(
                r#""tools":{"catalogue":[{"name":"a","class":"agent","metrics":{"tokens":"usage.total"}}]}"#,
            ),
            "servers[0].tools.catalogue[0].metrics.tokens: `usage.total` is not a JSON pointer | write `/usage/total`",
        ),
        (
            more(
                r#""tools":{"catalogue":[{"name":"a","class":"agent","metrics":{"type":{"argument":"/t","values":["a;b"]}}}]}"#,
            ),
            "servers[0].tools.catalogue[0].metrics.type.values: `a;b` cannot be a label value here | -",
        ),
        (
            more(r#""tools":{"catalogue":[{"name":"a","pin":"sha256:00"}]}"#),
            "servers[0].tools.catalogue[0].pin: a pin is `sha256:` and 64 lower-case hexadecimal digits | print pins with `toolgate tools pin FILE`",
        ),
        (
            more(r#""tools":{"catalogue":[{"name":"a","input_schema":{"type":"text"}}]}"#),
            "servers[0].tools.catalogue[0].input_schema: a keyword of the schema has a value that it cannot have | -",
        ),
        (
            more(r#""tools":{"schemas":"required"}"#),
            "servers[0].tools.schemas: `required` is not one of the words known here | did you mean `require`?",
        ),
        (
            more(r#""server_requests":{"root":"deny"}"#),
            "servers[0].server_requests.root: unknown key `root` | did you mean `roots`?",
        ),
        (
            more(r#""origins":["https://a.example.com/"]"#),
            "servers[0].origins[0]: `https://a.example.com/` is not an origin | write it like `https://app.example.com`",
        ),
        (
            more(r#""origins":["https://a.example.com"],"cors":{"origins":["x"]}"#),
            "servers[0].cors.origins[0]: `x` is not an origin | write it like `https://app.example.com`",
        ),
        (
            more(r#""tools":{"catalogue":[{"name":"a"},{"name":"a"}]}"#),
            "servers[0].tools.catalogue[1].name: tool `a` stands twice | -",
        ),
        (
            more(r#""tools":{"catalogue":[{"name":"admin_*"}]}"#),
            "servers[0].tools.catalogue[0].name: `admin_*` is no pattern here: it would name a tool that is called so | write an entry for each tool",
        ),
        (
            more(r#""tools":{"catalogue":[{"name":"a;b"}]}"#),
            "servers[0].tools.catalogue[0].name: `a;b` cannot name a tool here | -",
        ),
        (
            more(r#""upstream":{"authorisation":"strip"}"#),
            "servers[0].upstream.authorisation: unknown key `authorisation` | did you mean `authorization`?",
        ),
    ]);
}

#[test]
fn issuers() {
    refused(&[
        (
            issuer(r#""issuer":"https://idp.example.com","#, ""),
            "issuers.corp: the key `issuer` is missing | add `issuer`",
        ),
        (
            issuer(r#""https://idp.example.com""#, r#""""#),
            "issuers.corp.issuer: the issuer is empty | write the `iss` of its tokens",
        ),
        (
            issuer(r#"["https://mcp.example.com/mcp"]"#, "[]"),
            "issuers.corp.audiences: no audience is accepted, so no token would be | add the server's resource URL",
        ),
        (
            issuer(r#"["RS256"]"#, "[]"),
            "issuers.corp.algorithms: no algorithm is accepted, so no token would be | add `RS256` or `ES256`",
        ),
        (
            issuer(r#"["RS256"]"#, r#"["RS265"]"#),
            "issuers.corp.algorithms[0]: `RS265` is not an algorithm that can be accepted | did you mean `RS256`?",
        ),
        (
            issuer(r#"["RS256"]"#, r#"["none"]"#),
            "issuers.corp.algorithms[0]: `none` is not an algorithm that can be accepted | known here: `HS256`, `HS384`, `HS512`, `RS256`, `RS384`, `RS512`, `ES256`, `ES384`, `PS256`, `PS384`, `PS512`, `EdDSA`",
        ),
        (
            issuer("{\"inline\":JWKS}", "{}"),
            "issuers.corp.jwks: it is not said where the keys are | add `uri`, `discover: true` or `inline`",
        ),
        (
            issuer("\"inline\":JWKS", r#""uri":"https://x/","inline":JWKS"#),
            "issuers.corp.jwks: keys come from one place | keep one of `uri`, `discover: true` and `inline`",
        ),
        (
            issuer("\"inline\":JWKS", r#""discover":true,"inline":JWKS"#),
            "issuers.corp.jwks: keys come from one place | keep one of `uri`, `discover: true` and `inline`",
        ),
        (
            issuer("\"inline\":JWKS", r#""discover":true"#),
            "issuers.corp.jwks.discover: no cluster reaches `idp.example.com` | add `idp.example.com: CLUSTER` under `clusters`; a host not listed there is never called",
        ),
        (
            issuer("JWKS", r#"{"keys":[]}"#),
            "issuers.corp.jwks.inline: the keys cannot be used: the key set holds no usable key | -",
        ),
        (
            issuer(r#""jwks":{"inline":JWKS}"#, REMOTE),
            "issuers.corp.jwks.uri: no cluster reaches `idp.example.com` | add `idp.example.com: CLUSTER` under `clusters`; a host not listed there is never called",
        ),
        (
            issuer("\"inline\":JWKS", r#""uri":"/jwks""#),
            "issuers.corp.jwks.uri: `/jwks` is not an absolute URL | write it like `https://idp.example.com/jwks`",
        ),
        (
            issuer("\"inline\":JWKS", r#""uri":"https://joe:s3cr3t@idp/""#),
            "issuers.corp.jwks.uri: a URL with user information is not an absolute URL | write it like `https://idp.example.com/jwks`",
        ),
        (
            issuer("\"jwks\"", r#""leeway_seconds":601,"jwks""#),
            "issuers.corp.leeway_seconds: a leeway over 600 seconds is no leeway | -",
        ),
        (
            issuer("\"jwks\"", r#""leeway_seconds":-1,"jwks""#),
            "issuers.corp.leeway_seconds: the value is out of range: expected a whole number that is not negative | -",
        ),
        (
            issuer("\"jwks\"", r#""typ":"jwt","jwks""#),
            "issuers.corp.typ: `jwt` is not one of the words known here | known here: `strict`, `relaxed`",
        ),
        (
            issuer("\"jwks\"", r#""claims":{"roles":[""]},"jwks""#),
            "issuers.corp.claims.roles[0]: a claim path is empty | write a claim's name, or a JSON pointer",
        ),
        (
            remote(r#""timeout_milliseconds":50"#),
            "issuers.corp.jwks.timeout_milliseconds: 50 is outside 100 to 60000 | -",
        ),
        (
            remote(r#""min_refresh_seconds":0"#),
            "issuers.corp.jwks.min_refresh_seconds: 0 seconds would fetch without a pause | -",
        ),
        (
            remote(r#""min_refresh_seconds":90,"max_refresh_seconds":60"#),
            "issuers.corp.jwks.min_refresh_seconds: `min_refresh_seconds` is above `max_refresh_seconds` | -",
        ),
        (
            remote(r#""max_stale_seconds":0"#),
            "issuers.corp.jwks.max_stale_seconds: keys would be too old to be used after 0 seconds, before they are fetched again | at least `min_refresh_seconds`, and room for a fetch that fails",
        ),
        (
            remote(r#""min_refresh_seconds":90,"max_stale_seconds":60"#),
            "issuers.corp.jwks.max_stale_seconds: keys would be too old to be used after 60 seconds, before they are fetched again | at least `min_refresh_seconds`, and room for a fetch that fails",
        ),
    ]);
}

#[test]
fn issuers_with_secrets() {
    const ISSUER: &str = r#""issuer":"https://idp.example.com","audiences":["https://mcp.example.com/mcp"]"#;
    let with = |more: &str| Parts { issuer: &format!("{ISSUER},{more}"), ..PARTS }.json();
    let secret = |secret: &str| with(&format!(r#""algorithms":["HS512"],"secrets":[{secret}]"#));
    let many = [r#"{"value":{"env":"HS_512"}}"#; 5].join(",");
    refused(&[
        (
            with(r#""algorithms":["HS256","RS256"],"jwks":{"inline":JWKS}"#),
            "issuers.corp.algorithms: algorithms with a shared secret and with public keys do not mix | list one kind only",
        ),
        (
            with(r#""algorithms":["HS256"],"jwks":{"inline":JWKS}"#),
            "issuers.corp.jwks: no public key can verify the algorithms listed | remove `jwks`, and write `secrets`",
        ),
        (
            with(r#""algorithms":["RS256"],"jwks":{"inline":JWKS},"secrets":[{"value":{"env":"HS_512"}}]"#),
            "issuers.corp.secrets: secrets verify only `HS256`, `HS384` and `HS512`, and none of them is listed | remove `secrets`, or make a second issuer entry for them",
        ),
        (
            with(r#""algorithms":["HS256"]"#),
            "issuers.corp.secrets: 0 secrets, expected 1 to 4 | write them like `{ id: a, value: { env: NAME } }`",
        ),
        (
            secret(&many),
            "issuers.corp.secrets: 5 secrets, expected 1 to 4 | write them like `{ id: a, value: { env: NAME } }`",
        ),
        (
            secret(r#"{"value":{"env":"HS_256"}}"#),
            "issuers.corp.secrets[0].value.env: the value of `HS_256` is shorter than the hash of HS512 | make one with `openssl rand -hex 64` (RFC 7518 section 3.2)",
        ),
        (
            secret(r#"{"value":{"env":"HS_512"},"encoding":"base64url"},{"value":{"env":"HS_512"}}"#),
            "issuers.corp.secrets[0].value.env: the value of `HS_512` is shorter than the hash of HS512 | make one with `openssl rand -hex 64` (RFC 7518 section 3.2)",
        ),
        (
            secret(r#"{"value":{"env":"UGLY"},"encoding":"base64url"}"#),
            "issuers.corp.secrets[0].value.env: the value of `UGLY` is not base64url without padding | write it as `k` of a JWK, or remove `encoding`",
        ),
        (
            secret(r#"{"id":"a","value":{"env":"HS_512"}},{"id":"a","value":{"env":"HS_BASE64URL"}}"#),
            "issuers.corp.secrets[1].id: another secret has the same id | give each its own, as tokens name it in `kid`",
        ),
        (
            secret(r#"{"id":"","value":{"env":"HS_512"}}"#),
            "issuers.corp.secrets[0].id: an id has 1 to 256 bytes | -",
        ),
        (
            secret(r#"{"value":{"env":"HS_512"},"until":"soon"}"#),
            "issuers.corp.secrets[0].until: `soon` is not a date | write it like `2027-01-01T00:00:00Z`",
        ),
        (
            secret(r#"{"value":"s3cr3t"}"#),
            "issuers.corp.secrets[0].value: a secret cannot stand in the configuration, which is public in the proxy's dump; write `{ env: NAME }` | -",
        ),
        (
            with(r#""algorithms":["RS256"],"jwks":{"inline":JWKS},"clients":[]"#),
            "issuers.corp.clients: no client is accepted, so no token would be | list client ids, or remove `clients`",
        ),
    ]);
}

#[test]
fn routes_and_names() {
    let twin = |second: &str| Parts { server: &format!("{SERVER}}},{{{second}"), ..PARTS }.json();
    let other = SERVER.replace(r#""path":"/mcp""#, r#""path":"/other""#);
    refused(&[
        (
            route(r#","allow":"anyone""#)
                .replace(r#""match":{"path":"/r"}"#, r#""match":{"path_template":"/r{x}"}"#),
            "routes[0].match.path_template: a template opens whole segments, like `/servers/{id}` | write it like `/api/v1/servers/{id}`",
        ),
        (route(""), "routes[0]: route `r` does not say who may use it | add `policy`, or `allow: anyone`"),
        (
            route(r#","allow":"anyone","policy":"default""#),
            "routes[0]: `allow` and `policy` exclude each other | keep one of them",
        ),
        (
            route(r#","allow":"any""#),
            "routes[0].allow: `any` is not one of the words known here | known here: `anyone`",
        ),
        (
            route(r#","policy":"default""#),
            "routes[0].issuers: nobody could use route `r`: it accepts no credentials | add `issuers`, or `allow: anyone`",
        ),
        (
            route(r#","policy":"default","issuers":["corp"]"#),
            "routes[0].issuers[0]: every audience of this issuer is another server's resource | add `resource` to the route, and that to the issuer's `audiences`",
        ),
        (
            route(r#","policy":"x","issuers":["corp"],"resource":"https://mcp.example.com/mcp""#),
            "routes[0].policy: there is no policy `x` | define it under `policies`",
        ),
        (
            route(r#","allow":"anyone""#).replace(r#"{"path":"/r"}"#, r#"{"path":"/r","methods":["get"]}"#),
            "routes[0].match.methods[0]: `get` is not an HTTP method | write it like `GET`",
        ),
        (
            route(r#","allow":"anyone""#).replace(r#"{"path":"/r"}"#, r#"{"path":"/r","methods":[]}"#),
            "routes[0].match.methods: an empty list matches no method | name a method, or leave `methods` out for every method",
        ),
        (
            route(r#","allow":"anyone""#).replace(r#"{"path":"/r"}"#, r#"{"path":"/mcp","methods":["GET"]}"#),
            "routes[0].match: `r` is written for the same requests as `s` | give one of them another host or path",
        ),
        (
            route(r#","allow":"anyone""#).replace(r#"{"path":"/r"}"#, r#"{"path":"/mcp"}"#).replacen(
                r#"{"path":"/mcp"}"#,
                r#"{"path":"/mcp","hosts":["mcp.example.com"]}"#,
                1,
            ),
            "routes[0].match: `r` is written for the same requests as `s` | give one of them another host or path",
        ),
        (
            route(r#","allow":"anyone""#).replace(r#""name":"r""#, r#""name":"s""#),
            "routes[0].name: the name `s` stands twice | rename one of them",
        ),
        (twin(&other), "servers[1].name: the name `s` stands twice | rename one of them"),
        (
            twin(&SERVER.replace(r#""name":"s""#, r#""name":"t""#)),
            "servers[1].match: `t` is written for the same requests as `s` | give one of them another host or path",
        ),
        (
            twin(&other.replace(r#""name":"s""#, r#""name":"t""#).replace("com/mcp", "com/other")),
            "servers[1].issuers[0]: every audience of this issuer is another server's resource | add `https://mcp.example.com/other` to the issuer's `audiences`",
        ),
    ]);
}

#[test]
fn policies_carry_their_path() {
    refused(&[
        (
            PARTS.json().replace(POLICY, "{}"),
            "policies.default: expected exactly one key here | known here: `development`, `inline`, `bundle`",
        ),
        (
            policy(r#"{"version":1,"mode":"shadow","roles":{"a":{}}}"#),
            "servers[0].policy: policy `default` has `mode: shadow`, so it cannot judge | name it under `shadow_policy`, or take its `mode` out",
        ),
        (
            server(r#""policy":"default""#, r#""policy":"default","shadow_policy":"net""#),
            "servers[0].shadow_policy: there is no policy `net` | define it under `policies`",
        ),
        (
            policy(r#"{"version":1,"roles":{"a":{"inherits":["a"]}}}"#),
            "policies.default.inline.roles.a.inherits: role `a` inherits itself, directly or through others | take one of the `inherits` of the circle out",
        ),
        (
            policy(
                r#"{"version":1,"max_inheritance":1,"roles":{"a":{"inherits":["b"]},"b":{"inherits":["c"]},"c":{}}}"#,
            ),
            "policies.default.inline.roles.a.inherits: role `a` inherits 2 levels deep, the limit is 1 | flatten the roles, or set `max_inheritance` (at most 16)",
        ),
        (
            policy(r#"{"version":1,"roles":{"a":{"allow":[{"tools":["x","[a"]}]}}}"#),
            "policies.default.inline.roles.a.allow[0].tools[1]: `[a` does not compile: only `*` and `?` are wildcards here | -",
        ),
    ]);
}

#[test]
fn numbers_out_of_range() {
    for (name, low, high) in [
        ("max_body_bytes", 63_u64, (64 << 20) + 1),
        ("max_json_depth", 3, 513),
        ("max_answer_bytes", 1_023, (64 << 20) + 1),
        ("max_token_bytes", 255, 65_537),
        ("token_cache_entries", u64::MAX, (1 << 20) + 1),
        ("token_cache_bytes", (1 << 18) - 1, (1 << 30) + 1),
        ("max_wait_milliseconds", u64::MAX, 60_001),
        ("max_waiting", u64::MAX, 100_001),
    ] {
        for value in [low, high].into_iter().filter(|value| *value != u64::MAX) {
            let told = complaint(&top(&format!(r#","limits":{{"{name}":{value}}}"#)));
            assert!(told.starts_with(&format!("limits.{name}: {value} is outside ")), "{told}");
        }
    }
    refused(&[
        (
            top(r#","limits":{"max_waiting":"1"}"#),
            "limits.max_waiting: expected a whole number that is not negative, found a string | -",
        ),
        (
            top(r#","limits":{"token_cache_byte":1}"#),
            "limits.token_cache_byte: unknown key `token_cache_byte` | did you mean `token_cache_bytes`?",
        ),
        (top(r#","metrics":{"classes":[""]}"#), "metrics.classes: `` cannot be a label value here | -"),
        (top(r#","metrics":{"max_series":0}"#), "metrics.max_series: 0 is outside 1 to 100000 | -"),
        (
            top(r#","metrics":{"syntax":"statsd"}"#),
            "metrics.syntax: `statsd` is not one of the words known here | known here: `envoy`, `istio`, `flat`",
        ),
    ]);
}

#[test]
fn secrets_come_from_the_environment_and_are_never_repeated() {
    let upstream = |value: &str| more(&format!(r#""upstream":{{"authorization":{value}}}"#));
    let public = "which is public in the proxy's dump; write";
    for (json, path, message) in [
        (upstream(r#""Bearer s3cr3t""#), "servers[0].upstream.authorization: ", public),
        (upstream(r#"{"value":"Bearer s3cr3t"}"#), "servers[0].upstream.authorization.value: ", public),
        (
            upstream(r#"{"value":{"env":"Bearer s3cr3t"}}"#),
            "servers[0].upstream.authorization.value.env: ",
            "not the name of an environment variable",
        ),
        (
            upstream(r#"{"value":["s3cr3t"]}"#),
            "servers[0].upstream.authorization.value: ",
            "expected `{ env: NAME }`, found a list",
        ),
        (
            upstream(r#"{"value":{"text":"s3cr3t"}}"#),
            "servers[0].upstream.authorization.value",
            "unknown key `text`",
        ),
        (
            upstream(r#"{"value":{"env":"UGLY"}}"#),
            "servers[0].upstream.authorization.value.env: ",
            "the value of `UGLY` cannot stand in a header",
        ),
        (
            upstream(r#"{"value":{"env":"MISSING"}}"#),
            "servers[0].upstream.authorization.value.env: ",
            "the environment has no `MISSING` | name it under `vm_config.environment_variables`",
        ),
        (top(r#","secrets":{"shared_state":"s3cr3t"}"#), "secrets.shared_state: ", public),
        (
            top(r#","secrets":{"shared_state":{"env":"SHORT"}}"#),
            "secrets.shared_state.env: ",
            "the value of `SHORT` is shorter than 32 bytes | make one with `openssl rand -hex 32`",
        ),
    ] {
        let told = complaint(&json);
        assert!(told.starts_with(path) && told.contains(message), "{told}");
        assert!(!told.contains("s3cr3t") && !told.contains("short\""), "{told}");
    }
}
