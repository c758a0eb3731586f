use dashpot_core::Priority;
use http::{Extensions, HeaderMap, HeaderName, header};

use super::Mode;
use crate::head::list;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The mode that a caller wants, if it says; `stream` is what the body says.
pub(super) fn wish(stream: Option<bool>, headers: &HeaderMap, extensions: &Extensions) -> Option<Mode> {
    let in_body = stream.map(|stream| if stream { Mode::Stream } else { Mode::Whole });
    let prefers = || is_async(headers).then_some(Mode::Whole);
    let background = || extensions.get().is_some_and(|priority: &Priority| *priority == Priority::BACKGROUND);
    in_body.or_else(prefers).or_else(|| accept(headers)).or_else(|| background().then_some(Mode::Whole))
}

/// `Prefer: respond-async` (RFC 7240, section 4.1), whatever parameters it has.
fn is_async(headers: &HeaderMap) -> bool {
    let name = |preference: &[u8]| {
        let name = preference.split(|byte| matches!(byte, b';' | b'=')).next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"respond-async")
    };
    list(headers, PREFER).any(name)
}

/// The mode whose media type has the higher quality (RFC 9110, section 12.5.1), if one has.
fn accept(headers: &HeaderMap) -> Option<Mode> {
    let (stream, whole) = (quality(headers, b"text/event-stream"), quality(headers, b"application/json"));
    match stream.cmp(&whole) {
        std::cmp::Ordering::Greater => Some(Mode::Stream),
        std::cmp::Ordering::Less => Some(Mode::Whole),
        std::cmp::Ordering::Equal => None,
    }
}

/// In thousandths, by the most specific range that the type is in; 0 if it is in none.
fn quality(headers: &HeaderMap, wanted: &[u8]) -> u16 {
    let slash = wanted.iter().position(|&byte| byte == b'/').unwrap_or_default();
    let mut best = (0, 0);
    for range in list(headers, header::ACCEPT) {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let specific = match name.strip_suffix(b"/*") {
            _ if name.eq_ignore_ascii_case(wanted) => 3,
            Some(main) if main.eq_ignore_ascii_case(&wanted[..slash]) => 2,
            Some(b"*") => 1,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
        if specific > best.0 {
            best = (specific, weight.map_or(1000, thousandths));
        }
    }
    best.1
}

/// `0.5` as 500. What is no weight is 0.
fn thousandths(weight: &[u8]) -> u16 {
    let weight = str::from_utf8(weight).ok().and_then(|weight| weight.parse::<f32>().ok());
    weight.filter(|weight| (0.0..=1.0).contains(weight)).map_or(0, |weight| (weight * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wish_of(
        stream: Option<bool>,
        pairs: &[(HeaderName, &'static str)],
        urgency: Option<u8>,
    ) -> Option<Mode> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        let mut extensions = Extensions::new();
        if let Some(urgency) = urgency {
            extensions.insert(Priority::new(urgency).unwrap());
        }
        wish(stream, &headers, &extensions)
    }

    #[test]
    fn a_media_type_is_wanted_if_it_is_preferred() {
        for (value, wanted) in [
            ("text/event-stream", Some(Mode::Stream)),
            ("Text/Event-Stream", Some(Mode::Stream)),
            ("application/json", Some(Mode::Whole)),
            // As MCP clients say, who read both.
            ("application/json, text/event-stream", None),
            ("*/*", None),
            ("", None),
            ("text/html", None),
            ("text/*", Some(Mode::Stream)),
            ("text/event-stream, */*;q=0.1", Some(Mode::Stream)),
            ("*/*, text/event-stream;q=0", Some(Mode::Whole)),
            ("text/event-stream;q=0.5, application/json;q=0.4", Some(Mode::Stream)),
            ("text/event-stream;q=0.4 , application/json ; Q=0.5", Some(Mode::Whole)),
            ("text/event-stream;charset=utf-8;q=0.9, application/json", Some(Mode::Whole)),
            ("text/event-stream;q=2", None),
            ("text/event-stream;q=NaN", None),
            ("text/event-stream;q=", None),
            ("text/event-streams, application/jsonl", None),
            (",;,/*,*/,;q=1", None),
        ] {
            assert_eq!(wish_of(None, &[(header::ACCEPT, value)], None), wanted, "{value}");
        }
        let lines = [(header::ACCEPT, "text/html"), (header::ACCEPT, "text/event-stream")];
        assert_eq!(wish_of(None, &lines, None), Some(Mode::Stream));
    }

    #[test]
    fn who_prefers_an_answer_later_wants_the_whole() {
        for (value, is) in [
            ("respond-async", true),
            ("return=minimal, Respond-Async; x, wait=10", true),
            ("respond-async=1", true),
            ("respond-asynchronously", false),
            ("wait=10", false),
        ] {
            assert_eq!(wish_of(None, &[(PREFER, value)], None).is_some(), is, "{value}");
        }
    }

    #[test]
    fn the_body_comes_first_then_the_headers_then_the_priority() {
        let (stream, later) = ((header::ACCEPT, "text/event-stream"), (PREFER, "respond-async"));
        assert_eq!(wish_of(Some(true), std::slice::from_ref(&later), Some(7)), Some(Mode::Stream));
        assert_eq!(wish_of(Some(false), std::slice::from_ref(&stream), None), Some(Mode::Whole));
        assert_eq!(wish_of(None, &[stream.clone(), later], None), Some(Mode::Whole));
        assert_eq!(wish_of(None, &[stream], Some(7)), Some(Mode::Stream));
        assert_eq!(wish_of(None, &[], Some(7)), Some(Mode::Whole));
        assert_eq!(wish_of(None, &[], Some(6)), None);
        assert_eq!(wish_of(None, &[], None), None);
    }
}
