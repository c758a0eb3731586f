use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What keeps caches from storing a stream, and proxies from compressing it.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache, no-transform");

/// nginx's own word for "do not buffer this response".
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Whether the content type is `text/event-stream`, with whatever parameters.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    is_type(headers, b"text/event-stream")
}

/// Whether the content type is `application/json`, with whatever parameters.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    is_type(headers, b"application/json")
}

fn is_type(headers: &HeaderMap, wanted: &[u8]) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(wanted)
}

/// Whether the bytes are not the events themselves.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    list(headers, header::CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case(b"identity"))
}

/// Adds what is missing for a stream to pass proxies unhindered.
pub(crate) fn harden(headers: &mut HeaderMap) {
    headers.insert(X_ACCEL_BUFFERING, const { HeaderValue::from_static("no") });

    let has =
        |wanted: &[u8]| list(headers, header::CACHE_CONTROL).any(|said| said.eq_ignore_ascii_case(wanted));
    let said = list(headers, header::CACHE_CONTROL).next().is_some();
    let missing = match (has(b"no-cache"), has(b"no-transform")) {
        (true, true) => return,
        (true, false) => "no-transform",
        (false, true) => "no-cache",
        (false, false) if said => "no-cache, no-transform",
        (false, false) => {
            headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
            return;
        }
    };
    // In one line: of several, some readers see only the first.
    let lines = headers.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes);
    let all = lines.chain([missing.as_bytes()]).collect::<Vec<_>>().join(&b", "[..]);
    if let Ok(value) = HeaderValue::from_bytes(&all) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// Takes out what is said of a body that another one takes the place of.
pub(crate) fn forget_body(headers: &mut HeaderMap) {
    forget_bytes(headers);
    for name in [header::CONTENT_ENCODING, header::TRANSFER_ENCODING, header::TRAILER, X_ACCEL_BUFFERING] {
        headers.remove(name);
    }
}

/// Takes out what is said of the very bytes of a body that will have others.
pub(crate) fn forget_bytes(headers: &mut HeaderMap) {
    for name in [
        header::CONTENT_LENGTH,
        header::ETAG,
        HeaderName::from_static("content-md5"),
        HeaderName::from_static("content-digest"),
        HeaderName::from_static("repr-digest"),
        HeaderName::from_static("digest"),
    ] {
        headers.remove(name);
    }
}

/// The members of a comma-separated header, over all its lines, without the empty ones.
pub(crate) fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_content_type_is_read_as_a_media_type() {
        let is = |value| is_event_stream(&headers(&[(header::CONTENT_TYPE, value)]));
        for yes in [
            "text/event-stream",
            "Text/Event-Stream",
            "text/event-stream; charset=utf-8",
            "text/event-stream;charset=utf-8",
            " text/event-stream ; x",
            "text/event-stream;",
        ] {
            assert!(is(yes), "{yes}");
        }
        for no in ["", "text/event-streams", "text/event", "application/json", "x; text/event-stream"] {
            assert!(!is(no), "{no}");
        }
        assert!(!is_event_stream(&HeaderMap::new()));
    }

    #[test]
    fn an_encoding_is_anything_but_identity() {
        let is = |values: &[&'static str]| {
            let pairs: Vec<_> = values.iter().map(|value| (header::CONTENT_ENCODING, *value)).collect();
            is_encoded(&headers(&pairs))
        };
        assert!(is(&["gzip"]) && is(&["identity, br"]) && is(&["identity", "zstd"]));
        assert!(!is(&[]) && !is(&[""]) && !is(&["identity"]) && !is(&["Identity, identity"]));
    }

    #[test]
    fn cache_control_gains_what_is_missing_and_keeps_the_rest() {
        for (before, after) in [
            (&[][..], "no-cache, no-transform"),
            (&[""], "no-cache, no-transform"),
            (&["no-cache"], "no-cache, no-transform"),
            (&["No-Transform"], "No-Transform, no-cache"),
            (&["private, max-age=0"], "private, max-age=0, no-cache, no-transform"),
            (&["private", "no-cache"], "private, no-cache, no-transform"),
            // About one field only, so it does not stand in for the other.
            (&["no-cache=\"set-cookie\""], "no-cache=\"set-cookie\", no-cache, no-transform"),
            (&["no-cache, no-transform"], "no-cache, no-transform"),
        ] {
            let pairs: Vec<_> = before.iter().map(|value| (header::CACHE_CONTROL, *value)).collect();
            let mut headers = headers(&pairs);
            harden(&mut headers);
            let lines: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().collect();
            assert_eq!(lines, [after], "{before:?}");
            assert_eq!(headers["x-accel-buffering"], "no");
        }
    }

    #[test]
    fn lines_that_say_it_all_are_left_alone() {
        let mut headers = headers(&[
            (header::CACHE_CONTROL, "no-transform"),
            (header::CACHE_CONTROL, "no-cache"),
            (X_ACCEL_BUFFERING, "yes"),
        ]);
        harden(&mut headers);
        assert_eq!(headers.get_all(header::CACHE_CONTROL).iter().count(), 2);
        assert_eq!(headers["x-accel-buffering"], "no");
    }
}
