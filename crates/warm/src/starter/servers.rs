use std::fmt::Write as _;

use http::Uri;

use super::{Ask, Http};

/// The requests that some servers know. `base` is the address of a server, without a path. `model` is that of requests
/// without a key; the key of any other is the name of its model.
///
/// # Panics
///
/// If `base` is no address with a scheme and a host.
impl<S> Http<S> {
    /// Ollama: loads a model by a request without a prompt, primes it with one token, and unloads it by a `keep_alive` of 0.
    ///
    /// Ollama unloads by itself what it has not used for five minutes: give it `OLLAMA_KEEP_ALIVE=-1`, so that only this
    /// layer's policy counts.
    #[must_use]
    pub fn ollama(service: S, base: &str, model: impl Into<String>) -> Self {
        let model = model.into();
        let generate = |rest: &'static str| {
            let model = model.clone();
            Ask::post(address(base, "/api/generate"), move |key| {
                format!("{{\"model\":{}{rest}}}", name(key, &model))
            })
        };
        let one = r#","prompt":"Hi","stream":false,"options":{"num_predict":1},"keep_alive":-1"#;
        Self::new(service)
            .start(generate(r#","keep_alive":-1"#))
            .probe(Ask::get(address(base, "/api/version")))
            .prime(generate(one))
            .stop(generate(r#","keep_alive":0"#))
    }

    /// vLLM in its sleep mode: puts the weights into the host's memory, and back. A server that is awake takes no notice of
    /// being woken; none is stopped, since that is not done by HTTP.
    ///
    /// vLLM knows these requests with `--enable-sleep-mode` and `VLLM_SERVER_DEV_MODE=1`; for one without, say
    /// [`probe`](Self::probe) and [`prime`](Self::prime) only.
    #[must_use]
    pub fn vllm(service: S, base: &str, model: impl Into<String>) -> Self {
        let wake = Ask::post(address(base, "/wake_up"), |_| String::new());
        let sleep = Ask::post(address(base, "/sleep?level=1"), |_| String::new());
        Self::new(service)
            .start(wake.clone())
            .wake(wake)
            .probe(Ask::get(address(base, "/health")))
            .prime(one_token(base, model.into()))
            .sleep(sleep.clone())
            .stop(sleep)
    }

    /// llama-swap: loads a model by asking for its health, and unloads that one only.
    #[must_use]
    pub fn llama_swap(service: S, base: &str, model: impl Into<String>) -> Self {
        let model = model.into();
        let (health, unload) = (address(base, "/"), address(base, "/"));
        let [loaded, unloaded] = [model.clone(), model.clone()];
        let load = Ask::new(move |key| {
            let path = format!("/upstream/{}/health", segment(if key.is_empty() { &loaded } else { key }));
            get(&health, &path)
        });
        let unload = Ask::new(move |key| {
            let path =
                format!("/api/models/unload/{}", segment(if key.is_empty() { &unloaded } else { key }));
            let mut request = get(&unload, &path);
            *request.method_mut() = http::Method::POST;
            request
        });
        Self::new(service).start(load.clone()).probe(load).prime(one_token(base, model)).stop(unload)
    }
}

/// One token of a completion, as OpenAI's API has it.
fn one_token(base: &str, model: String) -> Ask {
    Ask::post(address(base, "/v1/completions"), move |key| {
        format!("{{\"model\":{},\"prompt\":\"Hi\",\"max_tokens\":1}}", name(key, &model))
    })
}

fn get(base: &Uri, path: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path.parse().expect("a segment is escaped"));
    let mut request = http::Request::new(http_body_util::Full::default());
    *request.uri_mut() = Uri::from_parts(parts).expect("it has a scheme and a host");
    request
}

fn address(base: &str, path: &str) -> Uri {
    let uri: Result<Uri, _> = format!("{}{path}", base.trim_end_matches('/')).parse();
    let uri = uri.ok().filter(|uri| uri.scheme().is_some() && uri.host().is_some());
    uri.unwrap_or_else(|| panic!("{base} is no address with a scheme and a host"))
}

/// The model's name as a JSON string.
fn name(key: &str, otherwise: &str) -> String {
    let mut json = String::from('"');
    for c in if key.is_empty() { otherwise } else { key }.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => write!(json, "\\u{:04x}", u32::from(c)).expect("a string takes all"),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// The model's name as a segment of a path; those who name models like folders mean several.
fn segment(model: &str) -> String {
    let mut path = String::new();
    for (index, name) in model.split('/').enumerate() {
        if index > 0 {
            path.push('/');
        }
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(byte.into()),
                byte => write!(path, "%{byte:02X}").expect("a string takes all"),
            }
        }
        // Steps to other folders even if they are escaped. With a space it is a name, which no model has.
        if matches!(name, "." | "..") {
            path.push_str("%20");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models_are_escaped_where_they_stand() {
        assert_eq!(name("", "llama3:8b"), r#""llama3:8b""#);
        assert_eq!(name("a\"\\\n", "x"), r#""a\"\\\u000a""#);
        assert_eq!(segment("org/llama 3:8b?"), "org/llama%203%3A8b%3F");
        assert_eq!(segment("../a/./..b"), "..%20/a/.%20/..b");
        assert_eq!(address("http://host:1/", "/a"), "http://host:1/a");
        assert_eq!(
            get(&address("http://host:1", "/"), "/upstream/m/health").uri(),
            "http://host:1/upstream/m/health"
        );
    }
}
