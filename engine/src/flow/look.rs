// SPDX-License-Identifier: Apache-2.0
//! Whether the body of an answer is looked at, by its head.

use crate::mcp::HeaderValue;

/// What kind of answer the request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A list that has to be filtered.
    List,
    /// Another message.
    Message,
    /// An event stream.
    Stream,
    /// No message: a notification was sent, or an answer to the server. Some clients take what comes all the same.
    Nothing,
    /// Nothing in particular: no request was made, or no other answer is looked into.
    Other,
}

/// Whether a body is looked at, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Away,
    Whole,
    /// All of it, and it may be no message, or empty.
    Failure,
    Events,
    Refuse(&'static str),
}

/// What is neither JSON nor an event stream is no message, but a client might read it as one: only failures, and
/// answers without content, pass. Some clients look for a message in a failure too, whatever its type, so it is read.
pub(super) fn what_to_do(media: Media, expected: Expected, status: u16, encoded: bool) -> Look {
    let failure = status == 202 || status >= 400;
    match (media, expected) {
        (Media::Garbled, _) => Look::Refuse("answer_content_type"),
        (Media::Events, _) if encoded => Look::Refuse("answer_encoded"),
        (Media::Events, _) => Look::Events,
        (Media::Json | Media::Other, Expected::Other) => Look::Away,
        (Media::Json | Media::Other, _) if status == 204 => Look::Away,
        // No client listens to a stream that failed.
        (Media::Json | Media::Other, Expected::Stream) if status >= 400 => Look::Away,
        (Media::Json | Media::Other, Expected::Stream) => Look::Refuse("answer_content_type"),
        (Media::Json | Media::Other, Expected::Nothing) => Look::Failure,
        (Media::Other, Expected::List | Expected::Message) if !failure => Look::Refuse("answer_content_type"),
        (Media::Json | Media::Other, Expected::List | Expected::Message) if encoded => {
            Look::Refuse("answer_encoded")
        }
        (Media::Json | Media::Other, Expected::List | Expected::Message) if failure => Look::Failure,
        (Media::Json | Media::Other, Expected::List | Expected::Message) => Look::Whole,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Events,
    Other,
    /// In a character set in which a client may read another text than the gate, or of a type that it may take for another.
    Garbled,
}

pub(super) fn media(content_type: HeaderValue<'_>) -> Media {
    let HeaderValue::One(value) = content_type else { return Media::Other };
    // As nearly everybody writes it.
    if value == b"application/json" {
        return Media::Json;
    }
    let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let essence = parts.next().unwrap_or_default();
    let media = if essence.eq_ignore_ascii_case(b"text/event-stream") {
        Media::Events
    } else if essence.eq_ignore_ascii_case(b"application/json") {
        Media::Json
    } else if begins_like_one(essence) {
        Media::Garbled
    } else {
        Media::Other
    };
    if parts.all(|parameter| is_read_alike(parameter, media)) { media } else { Media::Garbled }
}

/// Some clients compare the beginning of a type alone.
fn begins_like_one(essence: &[u8]) -> bool {
    let begins = |with: &[u8]| essence.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    begins(b"text/event-stream") || begins(b"application/json")
}

/// Whether under this parameter of a content type all characters that JSON is built of are what they are in UTF-8.
fn is_read_alike(parameter: &[u8], media: Media) -> bool {
    let mut parts = parameter.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default();
    // `charset*` too (RFC 2231).
    if !name.get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"charset")) {
        return true;
    }
    let value = parts.next().unwrap_or_default().trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    let is_one_of = |names: &[&[u8]]| names.iter().any(|name| value.eq_ignore_ascii_case(name));
    is_one_of(&[b"utf-8", b"utf8", b"us-ascii"])
        || (media != Media::Events && is_one_of(&[b"iso-8859-1", b"iso-8859-15", b"windows-1252"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_set_in_which_json_reads_otherwise_is_no_type() {
        use Media::{Events, Garbled, Json, Other};
        for (text, expected) in [
            ("application/json", Json),
            ("Application/JSON ; Charset=\"UTF-8\"", Json),
            ("application/json;charset=iso-8859-1", Json),
            ("application/json;charset=utf-16", Garbled),
            ("text/event-stream", Events),
            ("text/event-stream; charset=utf8; boundary=x", Events),
            ("text/event-stream; x=charset=utf-7", Events),
            ("text/event-stream; charset=iso-8859-1", Garbled),
            ("text/event-stream; charset=utf-8; charset=utf-7", Garbled),
            ("text/event-stream; charset*=utf-16''x", Garbled),
            ("text/event-stream; charset", Garbled),
            ("text/event-stream; charset =utf-16be", Garbled),
            ("text/html; charset=windows-1252", Other),
            ("text/html; charset=utf-7", Garbled),
            ("text/event-stream-x", Garbled),
            ("Application/JSONP", Garbled),
            ("application/json-seq", Garbled),
            ("application/problem+json", Other),
            ("text/html", Other),
            ("", Other),
        ] {
            assert_eq!(media(HeaderValue::One(text.as_bytes())), expected, "{text}");
        }
        assert_eq!(media(HeaderValue::Several), Other);
    }
}
