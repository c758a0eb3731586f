//! The simulated model server, and the gateway in front of it, as processes of ours.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use crate::{provision::model, workspace::Workspace};

/// A server that has not said where it listens by now will not come up.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Ends a server when this program is gone, however it went: then the shell's input ends. Ctrl-c reaches the whole
/// group by itself; a signal for this program alone, or a crash, would leave the server running.
const GUARD: &str =
    r#"trap "" INT TERM; read -r _; { kill "$1" && sleep 1 && kill -KILL "$1"; } 2>/dev/null"#;

/// Both, until they are dropped.
pub(crate) struct Servers {
    model: Server,
    gateway: Server,
    heard: Receiver<Event>,
    /// Where the gateway listens.
    pub(crate) url: String,
}

impl Servers {
    /// Starts what was built into this folder.
    pub(crate) fn start(workspace: &Workspace, built: &Path) -> Result<Self, String> {
        let (events, heard) = mpsc::channel();
        let mut server = workspace.command(built.join("model-server"));
        server.args(["--listen", "127.0.0.1:0"]);
        let mut model = Server::start("model server", &mut server, &events)?;
        let upstream = model.address(&heard)?;

        let mut gateway = workspace.command(built.join("examples/gateway"));
        gateway
            .args(["--config", "examples/gateway/gateway.toml"])
            .env("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", upstream)
            // Off where nobody asks for it: it keeps a stream going for a client that is gone.
            .env("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "30000")
            // Off where nobody says whose answers are whose: here there is one person.
            .env("DASHPOT_GATEWAY_CACHE__MAX_BYTES", "67108864")
            .env("DASHPOT_GATEWAY_CACHE__SHARE_WITHOUT_CREDENTIAL", "true")
            // The model server takes as many at once as come, which the limit would find out by itself, but in some ten seconds.
            .env("DASHPOT_GATEWAY_LIMIT__INITIAL", "256")
            // 90 MB, which to see the page nobody should have to wait for: the gateway says what to run where it is missing.
            .env("DASHPOT_GATEWAY_CACHE__SIMILAR__MODEL", model::folder(workspace));
        let mut gateway = Server::start("gateway", &mut gateway, &events)?;
        let url = gateway.address(&heard).map_err(|reason| {
            format!("{reason}; for another address: DASHPOT_GATEWAY_LISTEN=127.0.0.1:8081 before the command")
        })?;
        Ok(Self { model, gateway, heard, url })
    }

    /// Waits until one of them ends, and says why.
    pub(crate) fn wait(mut self) -> Result<(), String> {
        loop {
            match self.heard.recv() {
                Ok(Event::Ended("gateway")) => return Err(self.gateway.ended()),
                Ok(Event::Ended(_)) => return Err(self.model.ended()),
                Ok(Event::Listens(_)) => {}
                Err(_) => return Ok(()),
            }
        }
    }
}

/// What a server's output tells.
#[derive(Debug, PartialEq)]
enum Event {
    Listens(String),
    Ended(&'static str),
}

/// A child process that does not outlive this one.
struct Server {
    name: &'static str,
    process: Child,
    guard: Child,
}

impl Server {
    fn start(name: &'static str, command: &mut Command, events: &Sender<Event>) -> Result<Self, String> {
        let wrong = |error| format!("the {name} cannot be started: {error}");
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(wrong)?;
        let output = process.stdout.take();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &process.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let guard = match guard {
            Ok(guard) => guard,
            Err(error) => {
                end(&mut process);
                return Err(wrong(error));
            }
        };
        if let Some(output) = output {
            let events = events.clone();
            thread::spawn(move || listen(name, output, &events));
        }
        Ok(Self { name, process, guard })
    }

    /// Waits for the line that says where the server listens.
    fn address(&mut self, heard: &Receiver<Event>) -> Result<String, String> {
        match heard.recv_timeout(START_TIMEOUT) {
            Ok(Event::Listens(url)) => Ok(url),
            Ok(Event::Ended(name)) if name == self.name => Err(self.ended()),
            Ok(Event::Ended(name)) => Err(format!("the {name} has ended")),
            Err(_) => Err(format!("the {} does not say where it listens", self.name)),
        }
    }

    /// Why the server has ended: its own words are on the terminal already.
    fn ended(&mut self) -> String {
        let status = self.process.wait().as_ref().map_or_else(ToString::to_string, ExitStatus::to_string);
        format!("the {} has ended ({status})", self.name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The guard first: it must not outlive the number of the process that it would kill.
        end(&mut self.guard);
        end(&mut self.process);
    }
}

fn end(process: &mut Child) {
    // An error means that it has ended already.
    let _ = process.kill();
    let _ = process.wait();
}

/// Passes a server's output on, and tells what it means.
fn listen(name: &'static str, output: impl Read, events: &Sender<Event>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        println!("{line}");
        if let Some((_, url)) = line.split_once("listening on ") {
            let _ = events.send(Event::Listens(url.to_owned()));
        }
    }
    let _ = events.send(Event::Ended(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_tells_its_address_and_its_end() {
        let (events, heard) = mpsc::channel();
        let script = "echo gateway listening on http://127.0.0.1:9; exit 3";
        let mut server = Server::start("gateway", Command::new("sh").args(["-c", script]), &events).unwrap();
        assert_eq!(server.address(&heard), Ok("http://127.0.0.1:9".into()));
        assert_eq!(heard.recv(), Ok(Event::Ended("gateway")));
        assert_eq!(server.ended(), "the gateway has ended (exit status: 3)");
    }

    #[test]
    fn a_server_that_ends_before_it_listens_is_an_error() {
        let (events, heard) = mpsc::channel();
        let mut server = Server::start("gateway", &mut Command::new("false"), &events).unwrap();
        assert_eq!(server.address(&heard), Err("the gateway has ended (exit status: 1)".into()));
    }

    #[test]
    fn a_server_ends_with_its_handle() {
        let (events, heard) = mpsc::channel();
        let server = Server::start("model server", Command::new("sleep").arg("600"), &events).unwrap();
        drop(server);
        assert_eq!(heard.recv(), Ok(Event::Ended("model server")));
    }

    #[test]
    fn a_server_ends_when_this_program_is_gone() {
        let mut server = Command::new("sleep").arg("600").spawn().unwrap();
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard", &server.id().to_string()]).stdin(Stdio::piped());
        let mut guard = guard.spawn().unwrap();
        // What the kernel does with our end of the pipe when we are gone.
        drop(guard.stdin.take());
        assert!(!server.wait().unwrap().success());
        guard.wait().unwrap();
    }
}
