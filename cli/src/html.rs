// SPDX-License-Identifier: Apache-2.0
//! Text in pages of HTML.

/// Text as it may stand in an element or a quoted attribute: what was named by outsiders stays text.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            control if control.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_an_element_or_an_attribute() {
        assert_eq!(escape("<b a='\"&\">\u{1b}"), "&lt;b a=&#39;&quot;&amp;&quot;&gt;\u{fffd}");
    }
}
