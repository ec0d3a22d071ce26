// SPDX-License-Identifier: Apache-2.0
//! Before anybody asks who calls.

use super::*;
use crate::connection::NoConnection;

const ROUTES: &str = r#","routes":[
    {"name":"health","match":{"path":"/healthz","methods":["GET","HEAD"]},"allow":"anyone"},
    {"name":"admin","match":{"hosts":["mcp.example.com"],"path":"/admin","methods":["GET"]},"policy":"default","issuers":["corp"],"resource":"https://mcp.example.com/mcp"},
    {"name":"rest","match":{"hosts":["mcp.example.com"],"path_prefix":"/"},"allow":"anyone"}]"#;

fn get(world: &mut World, method: &str, host: &str, path: &str) -> String {
    match world.head(
        &[(":method", method), (":path", path), (":authority", host)],
        BodyFollows::No,
        Attempt::First,
    ) {
        Step::Pass(_) => format!("pass {}", world.verdict()),
        Step::Answer(answer) => format!("{} {}", answer.status, answer.details),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_looks_like_the_guarded_path_is_refused() {
    for unmatched in ["refuse", "pass"] {
        let mut world = World::new("", &format!(r#","unmatched":"{unmatched}""#));
        for path in [
            "/mcp/",
            "/./mcp",
            "/x/../mcp",
            "/%6dcp",
            "/mcp%2f",
            "/mcp;a=1",
            "//mcp",
            "/mcp/x",
            "/MCP",
            "/mcp%00",
            "/%256dcp",
            "\\mcp",
            "mcp",
            "/mcp/?x=1",
            "/mcp#x",
        ] {
            assert_eq!(get(&mut world, "POST", "mcp.example.com", path), "400 ambiguous_path", "{path}");
            assert_eq!(world.verdict(), "none none none deny ambiguous_path");
        }
        assert_eq!(get(&mut world, "POST", "mcp.example.com", "/other"), "404 unmatched");
    }
}

#[test]
fn hosts_are_compared_by_name_and_pass_is_for_others_only() {
    for (unmatched, host, path, expected) in [
        ("refuse", "MCP.example.com.", "/mcp", "401 missing_token"),
        ("refuse", "mcp.example.com:8443", "/mcp", "401 missing_token"),
        ("refuse", "evil.example.com", "/mcp", "403 host_not_allowed"),
        ("refuse", "evil.example.com", "/x", "404 unmatched"),
        ("refuse", "a b", "/mcp", "400 malformed_head"),
        ("refuse", "mcp.example.com:", "/mcp", "400 malformed_head"),
        ("pass", "other.example.com", "/mcp", "pass none none none allow unmatched"),
        ("pass", "mcp.example.com", "/x", "404 unmatched"),
        ("pass", "mcp.example.com:1", "/x", "404 unmatched"),
    ] {
        let mut world = World::new("", &format!(r#","unmatched":"{unmatched}""#));
        assert_eq!(get(&mut world, "GET", host, path), expected, "{unmatched} {host} {path}");
    }
    // A server with a port is still that host: another port is no way around it.
    let document = document("", &format!(r#""inline":{}"#, jwks()), r#","unmatched":"pass""#);
    let mut world = World::of(&document.replace(r#""mcp.example.com""#, r#""mcp.example.com:8443""#));
    assert_eq!(get(&mut world, "GET", "mcp.example.com:8443", "/mcp"), "401 missing_token");
    assert_eq!(get(&mut world, "GET", "mcp.example.com", "/mcp"), "403 host_not_allowed");
    assert_eq!(get(&mut world, "GET", "mcp.example.com:80", "/x"), "404 unmatched");
    // A server without hosts takes every host, so nothing passes.
    let mut world = World::of(&document.replace(r#""hosts":["mcp.example.com"],"#, ""));
    assert_eq!(get(&mut world, "GET", "any.example.com", "/mcp"), "401 missing_token");
    assert_eq!(get(&mut world, "GET", "any.example.com", "/x"), "404 unmatched");
}

/// The upstream of an open route is often the server's own, and does not look at the host.
#[test]
fn a_route_without_hosts_is_no_way_around_the_host_of_a_server() {
    let routes = r#","routes":[
        {"name":"all","match":{"path_prefix":"/"},"allow":"anyone"},
        {"name":"named","match":{"hosts":["named.example.com"],"path_prefix":"/"},"allow":"anyone"},
        {"name":"wide","match":{"path_prefix":"/mcp"},"allow":"anyone"},
        {"name":"below","match":{"path":"/mcp/open","methods":["GET"]},"allow":"anyone"}]"#;
    for unmatched in ["refuse", "pass"] {
        let mut world = World::new("", &format!(r#"{routes},"unmatched":"{unmatched}""#));
        for (method, host, path, expected) in [
            ("POST", "mcp.example.com", "/mcp", "401 missing_token"),
            ("POST", "evil.example.com", "/mcp", "403 host_not_allowed"),
            ("GET", "evil.example.com", "/mcp", "403 host_not_allowed"),
            ("POST", "evil.example.com", "/mcp/x", "403 host_not_allowed"),
            ("POST", "evil.example.com", "/mcp/open/", "400 ambiguous_path"),
            // What is written for this host, or more narrowly than the server, was meant.
            ("GET", "evil.example.com", "/mcp/open", "pass below none none allow allowed"),
            ("GET", "evil.example.com", "/site", "pass all none none allow allowed"),
            ("POST", "named.example.com", "/other", "pass named none none allow allowed"),
        ] {
            assert_eq!(get(&mut world, method, host, path), expected, "{unmatched} {method} {host} {path}");
        }
    }
    let mut world = World::new("", &routes.replace("/mcp", "/free"));
    for (host, path, expected) in [
        ("evil.example.com", "/mcp", "403 host_not_allowed"),
        // What another reader could take for the server's path is no way in either.
        ("evil.example.com", "/MCP", "403 host_not_allowed"),
        ("evil.example.com", "/mcp/x", "403 host_not_allowed"),
        ("evil.example.com", "/mcp/", "400 ambiguous_path"),
        ("evil.example.com", "/%6dcp", "400 ambiguous_path"),
        ("named.example.com", "/mcp", "pass named none none allow allowed"),
    ] {
        assert_eq!(get(&mut world, "POST", host, path), expected, "{host} {path}");
    }
}

#[test]
fn an_open_route_without_hosts_is_no_way_around_the_host_of_a_guarded_one() {
    let guarded = r#""policy":"default","issuers":["corp"],"resource":"https://mcp.example.com/mcp""#;
    let routes = format!(
        r#","routes":[
        {{"name":"all","match":{{"path_prefix":"/"}},"allow":"anyone"}},
        {{"name":"admin","match":{{"hosts":["a.example.com"],"path_prefix":"/admin"}},{guarded}}},
        {{"name":"free","match":{{"path":"/admin/health"}},"allow":"anyone"}},
        {{"name":"known","match":{{"path_prefix":"/known"}},{guarded}}},
        {{"name":"deep","match":{{"hosts":["a.example.com"],"path_prefix":"/known/deep"}},{guarded}}},
        {{"name":"own","match":{{"hosts":["b.example.com"],"path_prefix":"/site"}},{guarded}}},
        {{"name":"site","match":{{"path_prefix":"/site"}},"allow":"anyone"}}]"#
    );
    let mut world = World::new("", &routes);
    for (host, path, expected) in [
        ("a.example.com", "/admin", "401 missing_token"),
        ("evil.example.com", "/admin", "403 host_not_allowed"),
        ("evil.example.com", "/admin/x", "403 host_not_allowed"),
        ("evil.example.com", "/ADMIN", "403 host_not_allowed"),
        // What is written more narrowly, or for the same paths, was meant; and who asks for a token is no way around.
        ("evil.example.com", "/admin/health", "pass free none none allow allowed"),
        ("evil.example.com", "/known/deep", "401 missing_token"),
        ("b.example.com", "/site", "401 missing_token"),
        ("evil.example.com", "/site", "pass site none none allow allowed"),
        ("evil.example.com", "/else", "pass all none none allow allowed"),
    ] {
        assert_eq!(get(&mut world, "GET", host, path), expected, "{host} {path}");
    }
}

/// Routes with open segments, in both orders: the narrower one is meant, and no spelling of it falls to a wider one.
#[test]
fn templates_open_single_segments() {
    let routes = [
        r#"{"name":"item","match":{"path_template":"/api/servers/{id}","methods":["GET"]},"allow":"anyone"}"#,
        r#"{"name":"local","match":{"path":"/api/servers/local"},"allow":"anyone"}"#,
        r#"{"name":"tools","match":{"path_template":"/api/servers/{id}/tools"},"policy":"default","issuers":["corp"],"resource":"https://mcp.example.com/mcp"}"#,
        r#"{"name":"rest","match":{"path_prefix":"/api"},"allow":"anyone"}"#,
    ];
    let backwards: Vec<&str> = routes.iter().rev().copied().collect();
    for order in [routes.join(","), backwards.join(",")] {
        let mut world = World::new("", &format!(r#","routes":[{order}]"#));
        for (method, path, expected) in [
            ("GET", "/api/servers/7", "pass item none none allow allowed"),
            ("POST", "/api/servers/7", "405 method_not_allowed"),
            ("POST", "/api/servers/local", "pass local none none allow allowed"),
            ("GET", "/api/servers/LOCAL", "400 ambiguous_path"),
            ("GET", "/api/servers/7/tools", "401 missing_token"),
            ("GET", "/api/servers/7/TOOLS", "400 ambiguous_path"),
            ("GET", "/api/servers/7/tools/x", "400 ambiguous_path"),
            ("GET", "/api/servers/7/%74ools", "400 ambiguous_path"),
            ("GET", "/api/servers/7/x/../tools", "400 ambiguous_path"),
            ("GET", "/api/servers", "pass rest none none allow allowed"),
        ] {
            assert_eq!(get(&mut world, method, "any", path), expected, "{method} {path}");
        }
    }
}

#[test]
fn the_most_closely_written_place_is_meant() {
    let mut world = World::new("", ROUTES);
    for (method, host, path, expected) in [
        ("GET", "any", "/healthz", "pass health none none allow allowed"),
        ("GET", "any", "/healthz/x", "400 ambiguous_path"),
        ("POST", "any", "/healthz", "405 method_not_allowed"),
        ("GET", "mcp.example.com", "/free/x", "pass rest none none allow allowed"),
        ("GET", "mcp.example.com", "/healthz", "pass health none none allow allowed"),
        ("GET", "mcp.example.com", "/mcp", "401 missing_token"),
        ("GET", "mcp.example.com", "/admin", "401 missing_token"),
        // The open route below `/` takes neither what looks like a guarded path nor another method of one.
        ("GET", "mcp.example.com", "/mcp/x", "400 ambiguous_path"),
        ("GET", "mcp.example.com", "/MCP", "400 ambiguous_path"),
        ("POST", "mcp.example.com", "/admin", "405 method_not_allowed"),
        ("GET", "mcp.example.com", "/admin/x", "400 ambiguous_path"),
    ] {
        assert_eq!(get(&mut world, method, host, path), expected, "{method} {host} {path}");
    }
    let fields = [(":method", "POST"), (":path", "/healthz"), (":authority", "x")];
    let answer = answered(world.head(&fields, BodyFollows::No, Attempt::First));
    assert_eq!(header(&answer, "allow"), Some("GET, HEAD"));
    assert_eq!(world.verdict(), "health none none deny method_not_allowed");
}

#[test]
fn heads_that_can_be_read_in_two_ways_are_refused() {
    let usual = [(":method", "GET"), (":path", "/mcp"), (":authority", "mcp.example.com")];
    for more in [
        &[("host", "other.example.com")][..],
        &[("host", "mcp.example.com"), ("host", "mcp.example.com")],
        &[(":authority", "mcp.example.com"), (":authority", "x")],
        &[(":path", "/mcp"), (":path", "/x")],
        &[(":method", "GET"), (":method", "POST")],
        &[(":authority", "")],
        &[(":path", "")],
        &[(":method", "")],
    ] {
        let mut world = World::new("", "");
        let answer = answered(world.head(&merged(&usual, more), BodyFollows::No, Attempt::First));
        assert_eq!((answer.status, answer.details), (400, "malformed_head"), "{more:?}");
    }
    for more in [&[("host", "MCP.example.com")][..], &[(":authority", ""), ("host", "mcp.example.com")]] {
        let answer =
            answered(World::new("", "").head(&merged(&usual, more), BodyFollows::No, Attempt::First));
        assert_eq!(answer.status, 401, "{more:?}");
    }
    let mut world = World::new("", "");
    let fields: [(&[u8], &[u8]); 3] =
        [(b":method", b"GET"), (b":path", b"/mcp\xff"), (b":authority", b"mcp.example.com")];
    let head = Head {
        fields: &fields,
        body: BodyFollows::No,
        route_server: None,
        attempt: Attempt::First,
        connection: &NoConnection,
    };
    assert_eq!(answered(start(&head, &mut world.desk())).status, 400);
}

#[test]
fn methods_content_and_size() {
    let long = "9".repeat(30);
    for (more, status, label) in [
        (&[(":method", "PUT")][..], 405, "method_not_allowed"),
        (&[(":method", "HEAD")], 405, "method_not_allowed"),
        (&[(":method", "OPTIONS")], 405, "method_not_allowed"),
        (&[("content-type", "")], 415, "content_type"),
        (&[("content-type", "text/plain")], 415, "content_type"),
        (&[("content-type", "application/json"), ("content-type", "application/json")], 415, "content_type"),
        (&[("content-encoding", "gzip")], 415, "content_encoding"),
        (&[("content-encoding", "identity"), ("content-encoding", "gzip")], 415, "content_encoding"),
        (&[("content-length", "65")], 413, "body_too_large"),
        (&[("content-length", long.as_str())], 0, ""),
        (
            &[
                ("content-encoding", "Identity"),
                ("content-length", "64"),
                ("content-type", "application/json;charset=UTF-8"),
            ],
            0,
            "",
        ),
    ] {
        let mut world = World::new(r#","anonymous":{"role":"guest"}"#, r#","limits":{"max_body_bytes":64}"#);
        let fields = merged(&POST, more);
        match world.head(&fields, BodyFollows::Yes, Attempt::First) {
            Step::Answer(answer) => {
                assert_eq!((answer.status, answer.details), (status, label), "{more:?}");
                assert_eq!(header(&answer, "cache-control"), Some("no-store"));
                assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
                assert_eq!(header(&answer, "content-type"), Some("application/json"));
                assert_eq!(header(&answer, "allow"), (status == 405).then_some("GET, POST, DELETE"));
                assert!(answer.body.starts_with(r#"{"jsonrpc":"2.0","error":{"code":"#), "{}", answer.body);
            }
            Step::Body(mut waiting) => {
                assert_eq!(status, 0, "{more:?}");
                assert_eq!(waiting.check_size(64, &mut world.desk()), None);
                assert_eq!(waiting.check_size(65, &mut world.desk()).map(|answer| answer.status), Some(413));
                let BodyStep::Answer(answer) = waiting.finish(&[b' '; 65], &mut world.desk()) else {
                    panic!("passed")
                };
                assert_eq!((answer.status, answer.details), (413, "body_too_large"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_body_is_where_it_belongs() {
    let mut world = World::new(r#","anonymous":{"role":"guest"}"#, "");
    let usual = [(":path", "/mcp"), (":authority", "mcp.example.com"), ("content-type", "application/json")];
    for (method, body, expected) in [
        ("POST", BodyFollows::No, Some((400, "body_missing"))),
        ("GET", BodyFollows::Yes, Some((415, "content_type"))),
        ("DELETE", BodyFollows::Yes, Some((415, "content_type"))),
        ("GET", BodyFollows::No, None),
        ("DELETE", BodyFollows::No, None),
    ] {
        let step = world.head(&merged(&usual, &[(":method", method)]), body, Attempt::First);
        match expected {
            Some(expected) => {
                let answer = answered(step);
                assert_eq!((answer.status, answer.details), expected, "{method}");
            }
            None => drop(passed(step)),
        }
    }
    assert_eq!(world.verdict(), "main session/delete none allow allowed");
    assert_eq!(world.post(&[], "").answer().details, "body_missing");
    // Without a legacy version there is neither stream nor session.
    let mut world = World::new(r#","anonymous":{"role":"guest"},"versions":["2026-07-28"]"#, "");
    let answer =
        answered(world.head(&merged(&usual, &[(":method", "GET")]), BodyFollows::No, Attempt::First));
    assert_eq!((answer.status, header(&answer, "allow")), (405, Some("POST")));
}

#[test]
fn browsers_come_from_known_origins_only() {
    let cors = r#","origins":["https://app.example.com"],"cors":{"origins":["https://page.example.com"]}"#;
    for (origin, allowed, readable) in [
        ("", true, false),
        ("https://app.example.com", true, false),
        ("https://page.example.com", true, true),
        ("https://mcp.example.com", true, true),
        ("https://evil.example.com", false, false),
        ("null", false, false),
        ("https://app.example.com.evil.com", false, false),
    ] {
        let mut world = World::new(cors, "");
        let answer = world.post(&[("origin", origin)], "{}").answer();
        assert_eq!(
            (answer.status, answer.details),
            if allowed { (401, "missing_token") } else { (403, "origin_not_allowed") },
            "{origin}"
        );
        assert_eq!(header(&answer, "access-control-allow-origin"), readable.then_some(origin));
        assert_eq!(header(&answer, "vary"), readable.then_some("origin"));
        let preflight = [
            (":method", "OPTIONS"),
            (":path", "/mcp"),
            (":authority", "mcp.example.com"),
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ];
        let answer = answered(world.head(&merged(&[], &preflight), BodyFollows::No, Attempt::First));
        let status = if readable {
            204
        } else if allowed {
            405
        } else {
            403
        };
        assert_eq!(
            (answer.status, header(&answer, "access-control-allow-origin")),
            (status, readable.then_some(origin)),
            "{origin}"
        );
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
    }
    let twice = World::new(cors, "")
        .post(&[("origin", "https://app.example.com"), ("origin", "https://app.example.com")], "{}")
        .answer();
    assert_eq!(twice.details, "origin_not_allowed");
}

#[test]
fn metadata_is_public_at_its_place_and_nowhere_else() {
    let second = r#"},{"name":"two","match":{"hosts":["mcp.example.com"],"path":"/two"},"resource":"https://mcp.example.com/two","issuers":[],"anonymous":{"role":"guest"},"policy":"default""#;
    let known = "/.well-known/oauth-protected-resource";
    for (server, method, host, path, status) in [
        ("", "GET", "mcp.example.com", "/.well-known/oauth-protected-resource/mcp", 200),
        ("", "HEAD", "mcp.example.com", "/.well-known/oauth-protected-resource/mcp", 200),
        ("", "OPTIONS", "mcp.example.com", "/.well-known/oauth-protected-resource/mcp", 204),
        ("", "GET", "mcp.example.com", known, 200),
        (second, "GET", "mcp.example.com", known, 404),
        (second, "GET", "mcp.example.com", "/.well-known/oauth-protected-resource/two", 200),
        ("", "POST", "mcp.example.com", known, 404),
        ("", "GET", "mcp.example.com", "/.well-known/oauth-protected-resource/x", 404),
        ("", "GET", "mcp.example.com", "/.well-known/oauth-protected-resource/../../mcp", 400),
        ("", "GET", "evil.example.com", known, 404),
    ] {
        let mut world = World::new(server, "");
        let answer = answered(world.head(
            &[(":method", method), (":path", path), (":authority", host)],
            BodyFollows::No,
            Attempt::First,
        ));
        assert_eq!(answer.status, status, "{method} {host} {path}");
        if status < 300 {
            assert_eq!(header(&answer, "cache-control"), Some("public, max-age=300"));
            assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
            assert_eq!(answer.body.is_empty(), method == "OPTIONS");
        }
        if status == 200 && server.is_empty() {
            assert_eq!(
                answer.body,
                format!(
                    r#"{{"resource":"{AUDIENCE}","authorization_servers":["https://idp"],"bearer_methods_supported":["header"],"resource_name":"main"}}"#
                )
            );
        }
    }
}

#[test]
fn a_route_may_choose_the_server_where_the_configuration_says_so() {
    let route_at = |world: &mut World, host: &str, path: &str, name: Option<&str>| {
        let fields: [(&[u8], &[u8]); 3] =
            [(b":method", b"GET"), (b":path", path.as_bytes()), (b":authority", host.as_bytes())];
        let head = Head {
            fields: &fields,
            body: BodyFollows::No,
            route_server: name,
            attempt: Attempt::First,
            connection: &NoConnection,
        };
        answered(start(&head, &mut world.desk())).details
    };
    let route =
        |world: &mut World, path: &str, name: Option<&str>| route_at(world, "mcp.example.com", path, name);
    let mut read = World::new("", r#","host":{"route_metadata":true}"#);
    assert_eq!(route_at(&mut read, "any", "/any", Some("main")), "host_not_allowed");
    assert_eq!(route(&mut read, "/any", Some("main")), "missing_token");
    assert_eq!(route(&mut read, "/any/", Some("main")), "ambiguous_path");
    assert_eq!(route(&mut read, "/any", Some("nobody")), "unknown_route_server");
    assert_eq!(route(&mut read, "/any", None), "unmatched");
    assert_eq!(route(&mut World::new("", ""), "/any", Some("main")), "unmatched");
}
