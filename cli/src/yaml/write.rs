// SPDX-License-Identifier: Apache-2.0
//! JSON as block YAML that every reader reads alike: words plain, all else in double quotes.

use serde_json::Value;

use super::scalar;

/// A document, indented by `indent` spaces.
pub(crate) fn block(value: &Value, indent: usize) -> String {
    let mut text = String::new();
    write(value, indent, &mut text);
    text
}

fn write(value: &Value, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                text.push_str(&format!("{margin}{}:", word(name)));
                under(value, indent, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                // The first line of the item stands behind its dash.
                let mut nested = String::new();
                write(item, indent.saturating_add(2), &mut nested);
                text.push_str(&format!("{margin}- {}", nested.trim_start()));
            }
        }
        scalar => text.push_str(&format!("{margin}{}\n", inline(scalar))),
    }
}

/// What stands behind `name:`.
fn under(value: &Value, indent: usize, text: &mut String) {
    let nested = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        write(value, indent.saturating_add(2), text);
    } else {
        text.push_str(&format!(" {}\n", inline(value)));
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(string) => word(string),
        other => other.to_string(),
    }
}

/// A word that no YAML reader of any version takes for something else, or a quoted string.
fn word(string: &str) -> String {
    let start = string.starts_with(|char: char| char.is_ascii_alphabetic());
    let plain = string.chars().all(|char| char.is_ascii_alphanumeric() || "_.-/".contains(char));
    let reserved = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if start && plain && !reserved.iter().any(|word| string.eq_ignore_ascii_case(word)) {
        return string.to_owned();
    }
    scalar::quoted(string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let value = json!({
            "a": [1, 1.5, true, null, "yes", "1", "x: y", "- z", "é\u{1}\n\"", "", "2025-03-26"],
            "b": { "c": {}, "d": [], "e": [[1], { "f": "g" }] },
            "@type": "type.googleapis.com/a.B",
            "on": "off",
        });
        let text = block(&value, 0);
        let read = crate::yaml::Document::parse("x.yaml", &text).unwrap();
        assert_eq!(serde_json::from_str::<Value>(read.json()).unwrap(), value, "{text}");
        assert!(text.contains("\"on\": \"off\"\n") && text.contains("d: []\n"), "{text}");
    }
}
