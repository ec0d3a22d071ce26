// SPDX-License-Identifier: Apache-2.0
//! `toolgate tools`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::run;
use serde_json::json;

#[test]
fn pins_are_printed_for_a_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.json");
    let path = file.to_str().unwrap();
    let tool = json!({ "name": "echo", "inputSchema": { "type": "object" } });
    let mut pins = Vec::new();
    for document in [
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": [tool] } }),
        json!({ "tools": [tool] }),
        json!([tool]),
    ] {
        std::fs::write(&file, document.to_string()).unwrap();
        let printed = run(&["tools", "pin", path, "--json"]);
        assert_eq!(printed.code, Some(0), "{printed:?}");
        pins.push(printed.json());
    }
    let pin = "sha256:";
    assert!(pins.windows(2).all(|pair| pair.first() == pair.last()), "{pins:?}");
    let text = run(&["tools", "pin", path]);
    assert!(text.stdout.starts_with(&format!("- {{ name: \"echo\", pin: \"{pin}")), "{text:?}");

    for (document, complaint) in
        [("{}", "has no list of tools"), ("[{}]", "has no name"), ("{", "is not JSON")]
    {
        std::fs::write(&file, document).unwrap();
        let refused = run(&["tools", "pin", path]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(complaint), "{refused:?}");
    }
}
