use crate::provision::Provision;

pub(crate) const USAGE: &str = "\
usage: cargo xtask COMMAND [--without NAME]...

  demo          a simulated model server and the gateway in front of it, until ctrl-c
  test          every test and doc test of the workspace
  lint          formatting, clippy, rustdoc, licences and sources
  bench [NAME]  the benches, or one of them, with the peers beside
  load [FLAG].. an open-loop load on a gateway and a model server of its own, or on --url; see load --help
  soak [--minutes N]
                half an hour of load and faults, or so long, after which the gateway holds no more than before
  release [--baseline REVISION]
                what must be so before the crates are published: each is whole by itself, and none breaks whoever
                used the version of that revision, by default the newest tag
  setup         install what test and lint need, and nothing else

  --without NAME  leave out curl, python, chromium, nginx, haproxy, model, onnx, redis, redisearch,
                  postgres, fow-cache, wordnet, faiss, litellm, portkey, cargo-deny or semver-checks,
                  and what needs it";

/// What the tests need.
const TESTS: [Provision; 10] = [
    Provision::Curl,
    Provision::Python,
    Provision::Chromium,
    Provision::Nginx,
    Provision::HaProxy,
    Provision::Model,
    Provision::Onnx,
    Provision::Redis,
    Provision::RediSearch,
    Provision::Postgres,
];

/// What tests and lints need.
const SETUP: [Provision; 11] = {
    let mut all = [Provision::CargoDeny; TESTS.len() + 1];
    let (tests, _) = all.split_at_mut(TESTS.len());
    tests.copy_from_slice(&TESTS);
    all
};

/// What the stores' bench measures, and with what.
const STORES: [Provision; 5] =
    [Provision::Model, Provision::FowCache, Provision::WordNet, Provision::Redis, Provision::Postgres];

/// Programs that the gateway is compared with.
const PEERS: [Provision; 3] = [Provision::Nginx, Provision::LiteLlm, Provision::Portkey];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Bench(Option<String>),
    Demo,
    Help,
    Lint,
    /// With flags of the program that sends it.
    Load(Vec<String>),
    /// Compared with this revision.
    Release(Option<String>),
    Setup,
    /// For so many minutes.
    Soak(u32),
    Test,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) command: Command,
    without: Vec<Provision>,
}

impl Args {
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut words, mut without, mut minutes, mut baseline) = (Vec::new(), Vec::new(), None, None);
        let mut args = args;
        while let Some(arg) = args.next() {
            if words.is_empty() && arg == "load" {
                return Ok(Self { command: Command::Load(args.collect()), without });
            }
            match arg.as_str() {
                "-h" | "--help" => return Ok(Self { command: Command::Help, without: Vec::new() }),
                "--without" => {
                    let name = args.next().ok_or("--without needs a NAME")?;
                    without.push(Provision::named(&name)?);
                }
                "--minutes" if words.first().is_some_and(|word| word == "soak") => {
                    let number = args.next().and_then(|number| number.parse().ok());
                    minutes = Some(number.filter(|&number| number > 0).ok_or("--minutes needs a number")?);
                }
                "--baseline" if words.first().is_some_and(|word| word == "release") => {
                    baseline = Some(args.next().ok_or("--baseline needs a REVISION")?);
                }
                flag if flag.starts_with('-') => return Err(format!("unknown option {flag}")),
                _ => words.push(arg),
            }
        }
        let mut words = words.into_iter();
        let command = match words.next().as_deref() {
            // Files have no hyphens, and commands no underscores.
            Some("bench") => Command::Bench(words.next().map(|name| name.replace('-', "_"))),
            Some("demo") => Command::Demo,
            Some("help") => Command::Help,
            Some("lint") => Command::Lint,
            Some("release") => Command::Release(baseline),
            Some("setup") => Command::Setup,
            Some("soak") => Command::Soak(minutes.unwrap_or(30)),
            Some("test") => Command::Test,
            Some(unknown) => return Err(format!("unknown command {unknown}")),
            None => return Err("a command is missing".into()),
        };
        match words.next() {
            Some(extra) => Err(format!("unexpected argument {extra}")),
            None => Ok(Self { command, without }),
        }
    }

    /// What the command needs, less what is left out.
    pub(crate) fn provisions(&self) -> impl Iterator<Item = Provision> {
        self.needed().iter().copied().filter(|provision| !self.without.contains(provision))
    }

    /// What the command would have needed.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = Provision> {
        self.needed().iter().copied().filter(|provision| self.without.contains(provision))
    }

    fn needed(&self) -> &'static [Provision] {
        match &self.command {
            Command::Bench(Some(name)) if name == "cache_quality" => &[Provision::Model, Provision::FowCache],
            Command::Bench(Some(name)) if name == "gateway" => &PEERS,
            Command::Bench(Some(name)) if name == "stores" => &STORES,
            Command::Bench(Some(name)) if name == "index" => {
                &[Provision::Model, Provision::FowCache, Provision::WordNet, Provision::Faiss]
            }
            Command::Bench(_) | Command::Demo | Command::Help | Command::Load(_) | Command::Soak(_) => &[],
            Command::Lint => &[Provision::CargoDeny],
            Command::Release(_) => &[Provision::SemverChecks],
            Command::Setup => &SETUP,
            Command::Test => &TESTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_command_is_understood() {
        for (line, command) in [
            ("demo", Command::Demo),
            ("test", Command::Test),
            ("lint", Command::Lint),
            ("setup", Command::Setup),
            ("soak", Command::Soak(30)),
            ("soak --minutes 3", Command::Soak(3)),
            ("bench", Command::Bench(None)),
            ("bench sse", Command::Bench(Some("sse".into()))),
            ("bench cache-quality", Command::Bench(Some("cache_quality".into()))),
            ("release", Command::Release(None)),
            ("release --baseline v0.1.0", Command::Release(Some("v0.1.0".into()))),
            ("load", Command::Load(Vec::new())),
            ("load --rate 5 --help", Command::Load(vec!["--rate".into(), "5".into(), "--help".into()])),
            ("help", Command::Help),
            ("test --help", Command::Help),
            ("-h", Command::Help),
        ] {
            assert_eq!(parse(line).unwrap().command, command, "{line}");
        }
    }

    #[test]
    fn what_is_left_out_is_not_provided_and_is_said() {
        let args = parse("--without chromium test --without curl").unwrap();
        assert_eq!(
            args.provisions().collect::<Vec<_>>(),
            TESTS
                .into_iter()
                .filter(|&other| ![Provision::Curl, Provision::Chromium].contains(&other))
                .collect::<Vec<_>>()
        );
        assert_eq!(args.left_out().collect::<Vec<_>>(), [Provision::Curl, Provision::Chromium]);
    }

    #[test]
    fn what_the_command_does_not_need_is_not_called_left_out() {
        let args = parse("lint --without chromium").unwrap();
        assert_eq!(args.left_out().count(), 0);
        assert_eq!(args.provisions().collect::<Vec<_>>(), [Provision::CargoDeny]);
    }

    #[test]
    fn a_bench_has_what_it_alone_needs_and_setup_does_not() {
        let args = parse("bench index --without faiss").unwrap();
        assert_eq!(
            args.provisions().collect::<Vec<_>>(),
            [Provision::Model, Provision::FowCache, Provision::WordNet]
        );
        let setup = parse("setup").unwrap();
        assert!(setup.provisions().all(|provision| args.needed()[1..].iter().all(|&only| only != provision)));
    }

    #[test]
    fn what_the_gateway_is_compared_with_is_for_that_bench_alone() {
        assert_eq!(parse("bench gateway").unwrap().provisions().collect::<Vec<_>>(), PEERS);
        for line in ["bench", "bench sse", "test", "setup"] {
            let needed: Vec<_> = parse(line).unwrap().provisions().collect();
            assert!(!needed.contains(&Provision::LiteLlm) && !needed.contains(&Provision::Portkey), "{line}");
        }
    }

    #[test]
    fn an_unknown_provision_is_told_the_names() {
        let error = parse("test --without firefox").unwrap_err();
        assert_eq!(
            error,
            "--without firefox: there is no such provision; there are curl, python, chromium, nginx, haproxy, model, onnx, \
             redis, redisearch, postgres, fow-cache, wordnet, faiss, litellm, portkey, cargo-deny, semver-checks"
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (line, error) in [
            ("", "a command is missing"),
            ("tests", "unknown command tests"),
            ("test sse", "unexpected argument sse"),
            ("bench sse limiter", "unexpected argument limiter"),
            ("test --verbose", "unknown option --verbose"),
            ("test --without", "--without needs a NAME"),
            ("release --baseline", "--baseline needs a REVISION"),
            ("test --baseline v0.1.0", "unknown option --baseline"),
        ] {
            assert_eq!(parse(line).unwrap_err(), error, "{line}");
        }
    }

    #[test]
    fn usage_names_every_provision() {
        for provision in Provision::ALL {
            assert!(USAGE.contains(provision.name()), "{}", provision.name());
        }
    }
}
