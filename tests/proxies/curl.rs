//! curl as the client behind a proxy: it undoes the compression, and prints what it has as soon as it has it.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

/// A curl that reads a stream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Curl {
    process: Child,
    pieces: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
    seen: Vec<u8>,
}

impl Curl {
    /// Asks for a chat's stream at this socket.
    pub(crate) fn ask(socket: &Path) -> Self {
        let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
        let mut process = Command::new("curl")
            .args(["--silent", "--show-error", "--no-buffer", "--compressed", "--data", body])
            .args(["--header", "content-type: application/json"])
            .arg("--unix-socket")
            .arg(socket)
            .arg("http://gateway.test/v1/chat/completions")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl is installed: run cargo xtask setup");
        let mut output = process.stdout.take().expect("it is piped");
        let (said, pieces) = mpsc::unbounded_channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if said.send((Instant::now(), buffer[..length].to_vec())).is_err() {
                    break;
                }
            }
        });
        Self { process, pieces, seen: Vec::new() }
    }

    /// When it has seen this text whole, if that is within this time.
    pub(crate) async fn sees(&mut self, text: &str, within: Duration) -> Option<Instant> {
        let seen = async {
            loop {
                let (at, piece) = self.pieces.recv().await?;
                self.seen.extend(piece);
                if self.seen.windows(text.len()).any(|part| part == text.as_bytes()) {
                    return Some(at);
                }
            }
        };
        timeout(within, seen).await.ok().flatten()
    }

    /// Ends it without a word to the other side, and says when that was.
    pub(crate) fn kill(mut self) -> Instant {
        let now = Instant::now();
        self.process.kill().expect("it runs");
        now
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
