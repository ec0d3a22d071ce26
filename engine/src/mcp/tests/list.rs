// SPDX-License-Identifier: Apache-2.0

use super::*;
use alloc::format;
use alloc::vec::Vec;
use serde_json::Value as Json;

const OPTIONS: Options = Options { limits: Limits::MESSAGE, max_ttl_ms: Some(60_000) };

/// Shows what does not begin with `x`, and of what servers ask what is not in here.
struct NoX(&'static [ServerRequest]);

const FORBIDDEN: &[ServerRequest] =
    &[ServerRequest::Sampling, ServerRequest::Elicitation, ServerRequest::Other];

fn shown(name: &str) -> Visibility {
    if name.starts_with('x') { Visibility::Hidden } else { Visibility::Shown }
}

impl Visible for NoX {
    fn tool(&mut self, name: &str, _: crate::json::Value<'_>) -> Visibility {
        shown(name)
    }
    fn prompt(&mut self, name: &str) -> Visibility {
        shown(name)
    }
    fn resource(&mut self, uri: &str) -> Visibility {
        shown(uri)
    }
    fn template(&mut self, uri_template: &str) -> Visibility {
        shown(uri_template)
    }
    fn server_request(&mut self, kind: ServerRequest) -> Visibility {
        if self.0.contains(&kind) { Visibility::Hidden } else { Visibility::Shown }
    }
    fn task(&mut self, id: &str, mention: Mention, _: Option<TaskEnd>) -> TaskFate {
        match (id.as_bytes().first(), mention) {
            (Some(b'x'), _) => TaskFate::Hide,
            (Some(b'k'), _) => TaskFate::Keep,
            _ => TaskFate::Rename(format!("{mention:?}-{id}")),
        }
    }
    fn answered(&mut self, _: Option<&str>, answered: Answered<'_>) -> Visibility {
        let (Answered::Result(value) | Answered::Error(value)) = answered;
        if value.get("secret").is_some() { Visibility::Hidden } else { Visibility::Shown }
    }
    fn task_news(&mut self, _: Option<&str>, news: crate::json::Value<'_>) -> Visibility {
        if news.get("secret").is_some() { Visibility::Hidden } else { Visibility::Shown }
    }
    fn refusal(&mut self, id: Option<&str>, why: Withheld) -> String {
        match why {
            Withheld::ServerRequest => format!("<refused {}>", id.unwrap_or("-")),
            Withheld::Task => format!("<no task {}>", id.unwrap_or("-")),
            Withheld::Answer => format!("<no answer {}>", id.unwrap_or("-")),
        }
    }
}

fn filter(text: &str) -> Result<String, FilterError> {
    let filtered = filter_answer(text.as_bytes(), &mut NoX(FORBIDDEN), OPTIONS)?;
    Ok(match filtered.left {
        Left::Messages(Body::Unchanged) => text.to_string(),
        Left::Messages(Body::Changed(bytes)) => String::from_utf8(bytes).unwrap(),
        Left::Nothing => String::new(),
    })
}

fn answer(result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{result}}}}}"#)
}

#[test]
fn items_are_cut_and_nothing_else() {
    for (result, expected) in [
        (r#""tools":[]"#, r#""tools":[]"#),
        (r#""tools":[ {"name":"a"} , {"name":"b"} ]"#, r#""tools":[ {"name":"a"} , {"name":"b"} ]"#),
        (r#""tools":[ {"name":"x"} , {"name":"b"} ]"#, r#""tools":[ {"name":"b"} ]"#),
        (r#""tools":[ {"name":"a"} , {"name":"x"} ]"#, r#""tools":[ {"name":"a"} ]"#),
        (r#""tools":[ {"name":"x1"} , {"name":"x2"} ]"#, r#""tools":[]"#),
        (
            r#""tools":[{"name":"x1"},{"name":"x2"},{"name":"a"},{"name":"x3"},{"name":"x4"},{"name":"b"},{"name":"x5"}]"#,
            r#""tools":[{"name":"a"},{"name":"b"}]"#,
        ),
        (
            r#""tools":[{"name":"\u0078"},{"name":"\u0061"}],"nextCursor":"""#,
            r#""tools":[{"name":"\u0061"}],"nextCursor":"""#,
        ),
        (r#""prompts":[{"name":"x"},{"n":1e400,"name":"a"}]"#, r#""prompts":[{"n":1e400,"name":"a"}]"#),
        (
            r#""resources":[{"name":"a","uri":"x:"},{"name":"x","uri":"a:"}]"#,
            r#""resources":[{"name":"x","uri":"a:"}]"#,
        ),
        (
            r#""resourceTemplates":[{"uriTemplate":"x:{a}"},{"uriTemplate":"a:{b}"}]"#,
            r#""resourceTemplates":[{"uriTemplate":"a:{b}"}]"#,
        ),
        (r#""tools":[{"name":"a\u200b"},{"name":""},{"name":"b"}]"#, r#""tools":[{"name":"b"}]"#),
        (r#""cacheScope":"public","tools":[{"name":"x"}]"#, r#""cacheScope":"private","tools":[]"#),
        (
            r#""tools":[{"name":"a"}],"cacheScope":"private""#,
            r#""tools":[{"name":"a"}],"cacheScope":"private""#,
        ),
        (r#""cacheScope":{"x":1}"#, r#""cacheScope":"private""#),
        (r#""ttlMs":60000"#, r#""ttlMs":60000"#),
        (r#""ttlMs":60001"#, r#""ttlMs":60000"#),
        (r#""ttlMs":1e99"#, r#""ttlMs":60000"#),
        (r#""ttlMs":"1""#, r#""ttlMs":60000"#),
        (r#""ttlMs":-1"#, r#""ttlMs":0"#),
        (
            r#""content":[{"type":"text","text":"{\"tools\":1}"}]"#,
            r#""content":[{"type":"text","text":"{\"tools\":1}"}]"#,
        ),
        (r#""capabilities":{"tools":{}}"#, r#""capabilities":{"tools":{}}"#),
    ] {
        assert_eq!(filter(&answer(result)).unwrap(), answer(expected));
    }
    // What its reader may not be told goes as a whole, whatever it holds.
    assert_eq!(filter(&answer(r#""secret":1,"tools":7,"taskId":1"#)).unwrap(), "<no answer 1>");
    assert_eq!(filter(r#"{"jsonrpc":"2.0","id":2,"error":{"secret":1}}"#).unwrap(), "<no answer 2>");
    let news = r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"k","secret":1}}"#;
    assert_eq!(filter(news).unwrap(), "");
}

#[test]
fn counts_and_batches() {
    let one = answer(r#""tools":[{"name":"x"},{"name":"b"}]"#);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"tools":[{"name":"x"}]}}"#;
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#;
    let filtered = filter_answer(one.as_bytes(), &mut NoX(FORBIDDEN), OPTIONS).unwrap();
    assert_eq!((filtered.kept, filtered.removed), (1, 1));
    let batch = format!("[{one}, {note},{error},{one}]");
    let clean = answer(r#""tools":[{"name":"b"}]"#);
    assert_eq!(filter(&batch).unwrap(), format!("[{clean}, {note},{error},{clean}]"));
    for text in [note, error] {
        let filtered = filter_answer(text.as_bytes(), &mut NoX(FORBIDDEN), OPTIONS).unwrap();
        assert_eq!(filtered, Filtered { left: Left::Messages(Body::Unchanged), kept: 0, removed: 0 });
    }
    let free = Options { max_ttl_ms: None, ..OPTIONS };
    let text = answer(r#""ttlMs":1e99"#);
    assert_eq!(
        filter_answer(text.as_bytes(), &mut NoX(FORBIDDEN), free).unwrap().left,
        Left::Messages(Body::Unchanged)
    );
}

#[test]
fn what_cannot_be_told_does_not_go_on() {
    use crate::json::JsonErrorKind as K;
    let tools = |items: &str| answer(&format!(r#""tools":{items}"#));
    for (text, expected) in [
        ("", FilterError::Json(K::Incomplete)),
        ("1", FilterError::NotAMessage),
        ("{}", FilterError::NoMember),
        ("[[]]", FilterError::NotAMessage),
        (r#"{"result":{},"error":{}}"#, FilterError::NotAMessage),
        (r#"{"result":{},"method":"x"}"#, FilterError::NotAMessage),
        (r#"{"result":{},"Result":{"tools":[]}}"#, FilterError::LookAlikeKey),
        (&answer(r#""tools":[],"tools":[]"#), FilterError::Json(K::DuplicateKey)),
        (&answer(r#""tools":[],"Tools":[{"name":"x"}]"#), FilterError::LookAlikeKey),
        (&answer(r#""tool\u017f":[{"name":"x"}]"#), FilterError::LookAlikeKey),
        (&answer(r#""CacheScope":"public""#), FilterError::LookAlikeKey),
        (&tools("{}"), FilterError::NotAList),
        (&tools("null"), FilterError::NotAList),
        (&tools("[1]"), FilterError::NamelessItem),
        (&tools("[{}]"), FilterError::NamelessItem),
        (&tools(r#"[{"name":1}]"#), FilterError::NamelessItem),
        (&tools(r#"[{"name":"a","Name":"x"}]"#), FilterError::LookAlikeKey),
        (&tools(r#"[{"name":"a"},{"name":"b"},{"name":"\u0061"}]"#), FilterError::DuplicateItem),
        (&answer(r#""resources":[{"name":"a"}]"#), FilterError::NamelessItem),
        (&answer(r#""resourceTemplates":[{"uri":"a"}]"#), FilterError::NamelessItem),
    ] {
        assert_eq!(filter(text), Err(expected), "{text}");
    }
}

fn naive(mut answer: Json) -> Json {
    let result = answer["result"].as_object_mut().unwrap();
    for (list, key) in
        [("tools", "name"), ("prompts", "name"), ("resources", "uri"), ("resourceTemplates", "uriTemplate")]
    {
        if let Some(items) = result.get_mut(list).and_then(Json::as_array_mut) {
            items.retain(|item| !item[key].as_str().unwrap().starts_with('x'));
        }
    }
    if let Some(scope) = result.get_mut("cacheScope") {
        *scope = "private".into();
    }
    answer
}

#[test]
fn agrees_with_a_naive_filter() {
    let mut random = crate::xorshift::Xorshift(0x9E37_79B9_7F4A_7C15);
    let mut next = |below| random.below(below);
    for _ in 0..3_000 {
        let (mut members, mut hides) = (Vec::new(), false);
        for (list, key) in [
            ("tools", "name"),
            ("prompts", "name"),
            ("resources", "uri"),
            ("resourceTemplates", "uriTemplate"),
        ] {
            if next(2) == 0 {
                continue;
            }
            let mut items = Vec::new();
            for position in 0..next(7) {
                let letter = if next(2) == 0 { "x" } else { "a" };
                hides |= letter == "x";
                let space = [" ", "", "\n\t"][usize::try_from(next(3)).unwrap()];
                items.push(format!(
                    r#"{space}{{"k":[1.50,{{"é":null}}],{space}"{key}":"{letter}{position}"}}{space}"#
                ));
            }
            members.push(format!(r#""{list}" : [{}]"#, items.join(",")));
        }
        if next(2) == 0 {
            let scope = if next(2) == 0 { "public" } else { "private" };
            hides |= scope == "public";
            members.insert(
                usize::try_from(next(members.len() as u64 + 1)).unwrap(),
                format!(r#""cacheScope": "{scope}""#),
            );
        }
        let text = answer(&members.join(" ,"));
        let filtered = filter(&text).unwrap();
        let expected = naive(serde_json::from_str(&text).unwrap());
        assert_eq!(serde_json::from_str::<Json>(&filtered).unwrap(), expected, "{text}");
        assert_eq!(filtered == text, !hides, "{text}");
        assert_eq!(filter(&filtered).unwrap(), filtered);
    }
}

/// Each is forbidden by the name of its kind, and by no other.
#[test]
fn what_a_server_asks_for_has_a_kind() {
    let of = |method: &str, id: &str| format!(r#"{{"jsonrpc":"2.0",{id}"method":"{method}"}}"#);
    let (request, note) = (r#""id":5,"#, "");
    for (text, kind) in [
        (of("sampling/createMessage", request), ServerRequest::Sampling),
        (of("elicitation/create", request), ServerRequest::Elicitation),
        (of("notifications/elicitation/complete", note), ServerRequest::Elicitation),
        (of("roots/list", request), ServerRequest::Roots),
        (of("tasks/get", request), ServerRequest::ClientTask),
        (of("tasks/result", request), ServerRequest::ClientTask),
        (of("tasks/list", request), ServerRequest::ClientTask),
        (of("tasks/cancel", request), ServerRequest::ClientTask),
        (of("else", request), ServerRequest::Other),
        (of("notifications/else", note), ServerRequest::Other),
    ] {
        for forbidden in [
            &[ServerRequest::Sampling][..],
            &[ServerRequest::Elicitation],
            &[ServerRequest::Roots],
            &[ServerRequest::ClientTask],
            &[ServerRequest::Other],
        ] {
            let filtered = filter_answer(text.as_bytes(), &mut NoX(forbidden), OPTIONS).unwrap();
            let gone = filtered.left == Left::Nothing;
            assert_eq!(gone, forbidden.contains(&kind), "{text} {forbidden:?}");
        }
    }
}

/// Requests and notifications of a server, wherever they stand.
#[test]
fn messages_of_the_server_are_classified() {
    let note =
        |method: &str, params: &str| format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
    let request = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":5,"method":"{method}"}}"#);
    for stays in [
        request("ping"),
        request("roots/list"),
        request("tasks/get"),
        note("notifications/progress", "{}"),
        note("notifications/message", "{}"),
        note("notifications/resources/updated", r#"{"uri":"a:"}"#),
        note("notifications/tasks", r#"{"taskId":"k","inputRequests":{"a":{"method":"roots/list"}}}"#),
        answer(r#""resultType":"complete","content":[]"#),
        answer(r#""resultType":"input_required","requestState":"s""#),
        answer(r#""inputRequests":{"a":{"method":"roots/list"}}"#),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"x","data":{}}}"#.to_string(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042.5,"message":"x"}}"#.to_string(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32041,"message":"x"}}"#.to_string(),
    ] {
        assert_eq!(filter(&stays).as_deref(), Ok(stays.as_str()));
    }
    for goes in [
        request("sampling/createMessage"),
        request(r"sampling/create\u004dessage"),
        request("elicitation/create"),
        request("tools/call"),
        request("Ping"),
        note("notifications/x", "{}"),
        note("notifications/elicitation/complete", "{}"),
        note("notifications/resources/updated", r#"{"uri":"x:"}"#),
        note("notifications/resources/updated", "{}"),
        note(
            "notifications/tasks",
            r#"{"taskId":"k","inputRequests":{"a":{"method":"elicitation/create"}}}"#,
        ),
    ] {
        assert_eq!(filter(&goes).as_deref(), Ok(""), "{goes}");
    }
    for replaced in [
        answer(
            r#""tools":[{"name":"x"}],"inputRequests":{"a":{"method":"roots/list"},"b":{"method":"sampling/createMessage"}}"#,
        ),
        answer(r#""inputRequests":{"a":{}}"#),
        answer(r#""inputRequests":{"a":{"method":"new/kind"}}"#),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"x"}}"#.to_string(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-3.2042e4,"message":"x"}}"#.to_string(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x","data":{"elicitations":[]}}}"#.to_string(),
    ] {
        assert_eq!(filter(&replaced).as_deref(), Ok("<refused 1>"), "{replaced}");
    }
    for (text, expected) in [
        (answer(r#""inputRequests":[]"#), FilterError::BadInputRequests),
        (answer(r#""InputRequests":{}"#), FilterError::LookAlikeKey),
        (answer(r#""inputRequests":{"a":{"Method":"x"}}"#), FilterError::LookAlikeKey),
        (answer(r#""resultType":"other""#), FilterError::UnknownResultType),
        (answer(r#""resultType":1"#), FilterError::UnknownResultType),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#.to_string(), FilterError::NotAMessage),
        (note("notifications/resources/updated", r#"{"Uri":"x:"}"#), FilterError::LookAlikeKey),
    ] {
        assert_eq!(filter(&text), Err(expected), "{text}");
    }
    let ping = request("ping");
    let batch = format!("[{}, {ping} ,{}]", request("sampling/createMessage"), note("notifications/x", "{}"));
    assert_eq!(filter(&batch).as_deref(), Ok(format!("[{ping}]").as_str()));
    assert_eq!(filter(&format!("[{}]", request("elicitation/create"))).as_deref(), Ok("[]"));
}

/// Ids of tasks, wherever they stand.
#[test]
fn ids_of_tasks_are_renamed_or_hidden() {
    const META: &str = r#""_meta":{"io.modelcontextprotocol/related-task":{"taskId":"ID"}}"#;
    let note = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{params}}}}}"#)
    };
    let places = [
        (answer(r#""task":{"taskId":"ID","status":"working"}"#), "Answered", "<no task 1>"),
        (answer(r#""resultType":"task","taskId":"ID""#), "Answered", "<no task 1>"),
        (answer(&format!(r#""content":[],{META}"#)), "Answered", "<no task 1>"),
        (answer(&format!(r#""taskId":"k","result":{{"content":[],{META}}}"#)), "Answered", "<no task 1>"),
        (note("notifications/tasks/status", r#""taskId":"ID""#), "Unasked", ""),
        (note("notifications/tasks", r#""taskId":"ID""#), "Unasked", ""),
        (note("notifications/progress", META), "Answered", ""),
        (format!(r#"{{"jsonrpc":"2.0","id":3,"method":"roots/list","params":{{{META}}}}}"#), "Answered", ""),
    ];
    for (text, mention, hidden) in places {
        assert_eq!(filter(&text.replace("ID", "k")).unwrap(), text.replace("ID", "k"));
        assert_eq!(filter(&text.replace("ID", "a")).unwrap(), text.replace("ID", &format!("{mention}-a")));
        assert_eq!(filter(&text.replace("ID", "x")).unwrap(), hidden, "{text}");
        let number = text.replace("\"ID\"", "1");
        assert_eq!(filter(&number), Err(FilterError::BadTask), "{number}");
    }
    let listed = answer(r#""tasks":[{"taskId":"x"},{"taskId":"a","status":"working"},{"taskId":"x"}]"#);
    assert_eq!(filter(&listed).unwrap(), answer(r#""tasks":[{"taskId":"Unasked-a","status":"working"}]"#));
    let heard = note("notifications/subscriptions/acknowledged", r#""notifications":{"taskIds":["x","a"]}"#);
    assert_eq!(
        filter(&heard).unwrap(),
        note("notifications/subscriptions/acknowledged", r#""notifications":{"taskIds":["Unasked-a"]}"#)
    );
    for bad in
        [answer(r#""tasks":{}"#), answer(r#""tasks":[{}]"#), answer(r#""task":[]"#), answer(r#""task":{}"#)]
    {
        assert_eq!(filter(&bad), Err(FilterError::BadTask), "{bad}");
    }
    assert_eq!(filter(&answer(r#""TaskId":"a""#)), Err(FilterError::LookAlikeKey));
}
