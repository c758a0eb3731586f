use super::*;

const MINIMAL: &str = "[upstream]\nbase_url = \"http://127.0.0.1:1/base/\"\n";

fn parse(text: &str, vars: &[(&str, &str)]) -> Result<Config, String> {
    Config::parse(text, vars.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn reason(text: &str, vars: &[(&str, &str)]) -> String {
    parse(text, vars).expect_err("should be refused")
}

#[test]
fn the_file_beside_the_program_states_the_defaults() {
    let stated = parse(include_str!("../gateway.toml"), &[]).unwrap();
    let defaults = parse("[upstream]\nbase_url = \"http://127.0.0.1:8000\"", &[]).unwrap();
    assert_eq!(format!("{stated:?}"), format!("{defaults:?}"));
}

#[test]
fn a_variable_overrides_the_file_and_may_bring_what_it_lacks() {
    let vars = [
        ("DASHPOT_GATEWAY_LISTEN", "[::1]:9"),
        ("DASHPOT_GATEWAY_INTAKE__MAX_BODY_BYTES", "7"),
        ("DASHPOT_GATEWAY_SSE__HARDEN_HEADERS", "false"),
        ("DASHPOT_GATEWAY_CACHE__MAX_TEMPERATURE", "0.5"),
        ("DASHPOT_GATEWAY_CACHE__SIMILAR__EXPLORE", "1"),
        ("HOME", "/root"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
    ];
    let config = parse(MINIMAL, &vars).unwrap();
    assert_eq!(config.listen, "[::1]:9".parse().unwrap());
    assert_eq!(config.intake.max_body_bytes, 7);
    assert!(!config.sse.harden_headers);
    assert_eq!((config.cache.max_temperature, config.cache.similar.explore), (0.5, 1.0));
    let (.., path) = config.upstream.address().unwrap();
    assert_eq!(path, "/base");
    parse("", &[("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", "https://example.com")]).unwrap();
}

#[test]
fn variables_of_others_may_be_anything() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(b"\xff".to_vec());
    Config::parse(MINIMAL, [(odd(), odd()), ("X".into(), odd())].into_iter()).unwrap();
    let own = [("DASHPOT_GATEWAY_LISTEN".into(), odd())];
    assert_eq!(Config::parse(MINIMAL, own.into_iter()).unwrap_err(), "DASHPOT_GATEWAY_LISTEN: is no text");
}

#[test]
fn a_password_is_in_no_reason() {
    let url = "postgres://me:secret@db";
    for text in
        [format!("{MINIMAL}[cache]\nurl = \"{url}\"\n"), format!("{MINIMAL}[cache]\nstore = \"{url}\n")]
    {
        let reason = reason(&text, &[]);
        assert!(reason.contains("line ") && !reason.contains("secret"), "{reason}");
    }
    let reason = reason(MINIMAL, &[("DASHPOT_GATEWAY_CACHE", url)]);
    assert!(reason.contains("DASHPOT_GATEWAY_CACHE") && !reason.contains("secret"), "{reason}");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    assert!(reason("", &[]).contains("missing field `upstream`"));
    assert!(reason("lisen = 1", &[]).contains("line 1"));
    let typo = format!("{MINIMAL}[intake]\nmax_body = 1\n");
    assert!(
        reason(&typo, &[]).contains("unknown field `max_body`, expected one of"),
        "{}",
        reason(&typo, &[])
    );
    let typo = reason(MINIMAL, &[("DASHPOT_GATEWAY_LISTNE", "x")]);
    assert!(
        typo.contains("with DASHPOT_GATEWAY_LISTNE") && typo.contains("unknown field `listne`"),
        "{typo}"
    );
    assert!(reason(MINIMAL, &[("DASHPOT_GATEWAY_UPSTREAM__BASE_URL__X", "1")]).contains("is no section"));
    let typo =
        reason("", &[("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", "http://x"), ("DASHPOT_GATEWAY_LISTNE", "x")]);
    assert!(typo.contains("unknown field `listne`"), "{typo}");
    for (url, why) in [
        ("ftp://x", "must begin with http://"),
        ("http://:80", "must begin with http://"),
        ("http://x/?key=secret", "must have neither a query"),
        ("http://x/#a", "must have neither a query"),
        ("http://user:secret@x", "must not hold a name"),
        ("http://127.0.0.1:99999", "its port must be"),
        ("http://x:y", "upstream.base_url"),
    ] {
        let reason = reason(&format!("[upstream]\nbase_url = \"{url}\""), &[]);
        assert!(reason.contains(why) && !reason.contains("secret"), "{url}: {reason}");
    }
    for url in ["http://x", "https://x:8443/v1/", "http://[::1]:80"] {
        parse(&format!("[upstream]\nbase_url = \"{url}\""), &[]).unwrap();
    }
    let zero = format!("max_connections = 0\n{MINIMAL}");
    assert_eq!(reason(&zero, &[]), "max_connections must be more than 0");
    for (keys, why) in [
        ("min = 0", "limit.min must be more than 0"),
        ("baseline_ms = 0", "limit.baseline_ms must be more than 0"),
        ("min = 5\nmax = 4", "limit.min = 5 must not be more than limit.max = 4"),
        ("max = 10", "limit.initial = 20 must be from limit.min = 1 to limit.max = 10"),
        ("state_file = \"/nowhere/x\"", "limit.state_file = /nowhere/x: is in a directory that does not"),
        ("state_file = \"/\"", "limit.state_file = /: is a directory"),
    ] {
        let reason = reason(&format!("{MINIMAL}[limit]\n{keys}"), &[]);
        assert!(reason.starts_with(why), "{keys}: {reason}");
    }
    parse(&format!("{MINIMAL}[sse]\nresume_max_bytes = 1"), &[]).unwrap();
    for (keys, why) in [
        ("resume_stream_bytes = 1000", "sse.resume_*: stream_bytes must be"),
        ("resume_max_bytes = 1000", "sse.resume_*: max_bytes must be"),
        ("resume_age_ms = 100000000", "sse.resume_*: age and grace must be"),
    ] {
        let reason = reason(&format!("{MINIMAL}[sse]\nresume_grace_ms = 1\n{keys}"), &[]);
        assert!(reason.starts_with(why), "{keys}: {reason}");
    }
}

#[test]
fn what_says_what_a_question_means_is_one_thing_and_whole() {
    for (keys, expected) in [
        ("model = \"m\"\nurl = \"http://h/\"\nname = \"n\"", "either model or url"),
        ("url = \"http://h/\"", "url and name go together"),
        ("name = \"n\"", "url and name go together"),
        ("url = \"h/secret\"\nname = \"n\"", "cache.similar.url: "),
        ("threads = 0", "must be more than 0"),
        ("wrong_at_most = 1.0", "cache.similar.wrong_at_most must be from 0 to 1"),
        ("explore = -0.1", "cache.similar.explore must be from 0 to 1"),
        ("judge = \"me\"", "unknown variant `me`, expected `same-text` or `same-meaning`"),
        ("budget_ms = 0", "cache.similar.budget_ms must be more than 0"),
    ] {
        let reason = reason(&format!("{MINIMAL}[cache.similar]\n{keys}\n"), &[]);
        assert!(reason.contains(expected) && !reason.contains("secret"), "{reason}");
    }
}

#[test]
fn a_store_is_memory_or_a_server_whose_password_is_not_shown() {
    let config =
        parse(&format!("{MINIMAL}[cache]\nstore = \"postgres://me:secret@db/cache\"\n"), &[]).unwrap();
    assert!(config.cache.is_on() && !format!("{config:?}").contains("secret"), "{config:?}");
    for (keys, expected) in [
        ("store = \"secret\"", "cache.store: must be \"memory\", or begin with postgres://"),
        ("store = \"mysql://me:secret@db\"", "cache.store: must be"),
        ("store = \"redis://me:secret@db:port\"", "cache.store: must be as in redis://user"),
        ("store = \"postgres://me:secret@db:port/cache\"", "cache.store: must be as in postgres://user"),
        ("store = \"postgres://me:x@db/cache?secret=1\"", "cache.store: must be as in postgres://user"),
        (
            "store = \"postgres://me:secret@db\"\nstate_file = \"x\"",
            "cache.state_file: is for the store \"memory\"",
        ),
        ("budget_ms = 0", "cache.budget_ms must be more than 0"),
    ] {
        let reason = reason(&format!("{MINIMAL}[cache]\n{keys}\n"), &[]);
        assert!(reason.starts_with(expected) && !reason.contains("secret"), "{reason}");
    }
}

#[test]
fn what_is_to_be_warm_is_one_model_or_several() {
    let ollama = "server = \"ollama\"\n";
    for (keys, expected) in [
        ("server = \"openai\"", "warm.model: the model that warm.server has to load is missing"),
        ("model = \"m\"", "warm.model: warm.server is missing"),
        ("command = [\"x\"]", "warm.command: warm.server is missing"),
        ("models = [\"m\"]", "warm.models: warm.server is missing"),
        (&format!("{ollama}model = \"m\"\nmodels = [\"n\"]"), "warm.models: warm.model says it already"),
        (&format!("{ollama}models = [\"m\", \"n\", \"m\"]"), "warm.models: \"m\" is there twice"),
        (&format!("{ollama}models = [\"\"]"), "warm.models: a name has from 1 to 256 bytes"),
        (&format!("{ollama}models = [\"{}\"]", "m".repeat(257)), "warm.models: a name has from 1 to 256"),
        (&format!("{ollama}models = [\"m\"]\ncommand = [\"x\"]"), "warm.models: a command starts one model"),
        ("server = \"vllm\"\nmodels = [\"m\"]", "warm.models: vllm loads one model"),
        ("budget_ms = 1", "warm.budget_ms is of no use: warm.server is missing"),
        (&format!("{ollama}model = \"m\"\nbudget_ms = 0"), "warm.budget_ms must be from 1 to 86400000"),
        (&format!("{ollama}model = \"m\"\nbudget_ms = 86400001"), "warm.budget_ms must be from 1 to"),
        (
            &format!("{ollama}model = \"m\"\nkeep = \"always\"\nbudget_ms = 1"),
            "warm.budget_ms is against keep = \"always\"",
        ),
        ("start_timeout_ms = 0", "warm.start_timeout_ms must be more than 0"),
    ] {
        let reason = reason(&format!("{MINIMAL}[warm]\n{keys}\n"), &[]);
        assert!(reason.starts_with(expected), "{keys}: {reason}");
    }
    for keys in [
        "server = \"openai\"\nmodel = \"m\"\ncommand = [\"x\"]\nbudget_ms = 86400000",
        "server = \"llama-swap\"\nmodels = [\"m\", \"n\"]\nkeep = \"always\"",
        "server = \"openai\"\nmodels = [\"m\"]\nbudget_ms = 1",
    ] {
        parse(&format!("{MINIMAL}[warm]\n{keys}\n"), &[]).unwrap();
    }
}

#[test]
fn more_upstreams_have_names_and_models_and_bounds_of_their_own() {
    let other = |keys: &str| format!("{MINIMAL}[[upstreams]]\n{keys}\n");
    let whole = "name = \"small\"\nmodels = [\"m\"]\nbase_url = \"http://a:1\"\n";
    for (keys, expected) in [
        ("models = [\"m\"]\nbase_url = \"http://a\"", "one has no name"),
        ("name = \"small\"\nbase_url = \"http://a\"", "models is missing"),
        ("name = \"small\"\nmodels = []\nbase_url = \"http://a\"", "it needs models"),
        ("name = \"default\"\nmodels = [\"m\"]\nbase_url = \"http://a\"", "is not \"default\""),
        ("name = \"a b\"\nmodels = [\"m\"]\nbase_url = \"http://a\"", "letters, digits"),
        (
            "name = \"small\"\nmodels = [\"m\"]\nbase_url = \"ftp://a\"",
            "upstreams, \"small\": upstream.base_url",
        ),
        ("name = \"small\"\nmodels = [\"m\"]\n", "missing field `base_url`"),
        (&format!("{whole}x = 1"), "unknown field `x`"),
        (
            &format!("{whole}[upstreams.limit]\nmin = 0"),
            "upstreams, \"small\": limit.min must be more than 0",
        ),
        (&format!("{whole}[upstreams.limit]\nx = 1"), "limit: unknown field `x`"),
        (&format!("{whole}[[upstreams]]\n{whole}"), "another has that name"),
    ] {
        let reason = reason(&other(keys), &[]);
        assert!(reason.contains(expected), "{keys}: {reason}");
    }
    let file =
        format!("{}[upstreams.limit]\nmax = 30\n[limit]\nmax = 40\nstate_file = \"x\"\n", other(whole));
    let config = parse(&file, &[]).unwrap();
    let sites: Vec<_> = config.sites().collect();
    assert_eq!((sites[0].1.limit.max, sites[1].1.limit.max), (40, 30));
    let config = parse(&format!("{}[limit]\nmax = 40\nstate_file = \"x\"\n", other(whole)), &[]).unwrap();
    let (_, site) = config.sites().nth(1).unwrap();
    assert_eq!((site.limit.max, site.limit.state_file), (40, None));
}

#[test]
fn administrators_are_on_this_machine_and_have_a_token() {
    for (keys, expected) in [
        (
            "listen = \"0.0.0.0:1\"\ntoken_variable = \"X\"",
            "admin.listen = 0.0.0.0:1 must be an address of this machine",
        ),
        ("listen = \"127.0.0.1:1\"", "admin.token_variable is missing"),
    ] {
        let reason = reason(&format!("{MINIMAL}[admin]\n{keys}\n"), &[]);
        assert!(reason.contains(expected), "{reason}");
    }
    let config = parse(
        &format!("{MINIMAL}[admin]\nlisten = \"[::1]:1\"\ntoken_variable = \"NOBODY_HAS_THIS\"\n"),
        &[],
    );
    assert!(config.unwrap().admin.token().unwrap_err().contains("NOBODY_HAS_THIS holds no token"));
}
