//! A model server that is slow to become one, with nothing simulated: it reads and checks a file before it can answer,
//! and its first answer takes longer than all others.
//!
//! Blocking and std only, so that it starts at once and what takes time is the file. A test or a bench runs it as a
//! process of its own, by starting itself anew.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

/// How it serves.
#[derive(Clone, Debug)]
pub struct ColdServer {
    /// How long it takes before it listens.
    pub boot: Duration,
    /// What one inference takes.
    pub inference: Duration,
    /// So many are done at once.
    pub slots: u32,
    /// So many more may wait; others get 503.
    pub queue: u32,
}

impl Default for ColdServer {
    fn default() -> Self {
        Self { boot: Duration::ZERO, inference: Duration::from_millis(5), slots: 4, queue: 64 }
    }
}

/// Writes a file of so many bytes that a [`ColdServer`] can check.
///
/// # Errors
///
/// If it cannot be written.
pub fn write_model(path: &Path, bytes: usize) -> io::Result<()> {
    let mut file = File::create(path)?;
    let (mut random, mut sum, mut chunk) = (0x9e37_79b9_7f4a_7c15_u64, SEED, vec![0; CHUNK]);
    for _ in 0..bytes.div_ceil(CHUNK) {
        for word in chunk.chunks_exact_mut(8) {
            // A xorshift generator (Marsaglia, 2003).
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            word.copy_from_slice(&random.to_le_bytes());
        }
        sum = checksum(sum, &chunk);
        file.write_all(&chunk)?;
    }
    file.write_all(&sum.to_le_bytes())?;
    file.sync_all()
}

const CHUNK: usize = 1 << 20;
const SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, a word at a time.
fn checksum(sum: u64, bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).fold(sum, |sum, word| {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        (sum ^ word).wrapping_mul(0x100_0000_01b3)
    })
}

/// What all connections share.
struct Server {
    config: ColdServer,
    model: OnceLock<Vec<u8>>,
    /// What is made at the first inference.
    index: OnceLock<Vec<u32>>,
    busy: Mutex<Busy>,
    free: Condvar,
}

#[derive(Default)]
struct Busy {
    running: u32,
    waiting: u32,
    peak: u32,
}

impl ColdServer {
    /// Serves on this port of the loopback, the model in this file; for ever.
    ///
    /// `GET /health` answers as soon as it listens, `POST /load` when the file is in memory and checked, `POST /infer` does
    /// an inference, and `GET /peak` says how many of those there were at once, in the body.
    ///
    /// # Errors
    ///
    /// If it cannot listen.
    pub fn run(self, port: u16, model: &Path) -> io::Result<()> {
        thread::sleep(self.boot);
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let (model, server) = (Arc::<Path>::from(model), Arc::new(Server::new(self)));
        for stream in listener.incoming() {
            let (server, model, stream) = (server.clone(), model.clone(), stream?);
            thread::spawn(move || server.connection(&stream, &model));
        }
        Ok(())
    }
}

impl Server {
    fn new(config: ColdServer) -> Self {
        let (model, index) = (OnceLock::new(), OnceLock::new());
        Self { config, model, index, busy: Mutex::default(), free: Condvar::new() }
    }

    fn connection(&self, stream: &TcpStream, model: &Path) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = (BufReader::new(stream), stream);
        while let Some(path) = next_path(&mut reader)? {
            let (status, words) = self.answer(&path, model);
            write!(writer, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{words}", words.len())?;
        }
        Ok(())
    }

    fn answer(&self, path: &str, model: &Path) -> (&'static str, String) {
        match path {
            "/health" => ("200 OK", "up".into()),
            "/load" => {
                let sum = self.model(model).len();
                ("200 OK", sum.to_string())
            }
            "/infer" => match self.infer(model) {
                Some(token) => ("200 OK", token.to_string()),
                None => ("503 Service Unavailable", "too many".into()),
            },
            "/peak" => ("200 OK", self.busy().peak.to_string()),
            _ => ("404 Not Found", String::new()),
        }
    }

    fn model(&self, path: &Path) -> &[u8] {
        self.model.get_or_init(|| {
            let mut bytes = Vec::new();
            let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
            let (model, sum) = bytes.split_at(bytes.len().saturating_sub(8));
            let stated = sum.try_into().map(u64::from_le_bytes).ok();
            assert!(read.is_ok() && stated == Some(checksum(SEED, model)), "the model is damaged");
            bytes
        })
    }

    /// Waits for its turn, and gives a token.
    fn infer(&self, path: &Path) -> Option<u64> {
        let mut busy = self.busy();
        if busy.running + busy.waiting >= self.config.slots + self.config.queue {
            return None;
        }
        busy.waiting += 1;
        busy.peak = busy.peak.max(busy.waiting + busy.running);
        while busy.running >= self.config.slots {
            busy = self.free.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        busy.waiting -= 1;
        busy.running += 1;
        drop(busy);
        let model = self.model(path);
        // As what is compiled, captured and paged in by a first inference: more than it takes to load.
        let index = self.index.get_or_init(|| {
            let mut index: Vec<u32> =
                model.chunks_exact(64).map(|line| line.iter().map(|&b| u32::from(b)).sum()).collect();
            index.sort_unstable();
            index
        });
        thread::sleep(self.config.inference);
        let token = checksum(SEED, &model[..model.len().min(CHUNK / 16)]) ^ index.len() as u64;
        self.busy().running -= 1;
        self.free.notify_one();
        Some(token)
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads one request; `None` if there is no more.
fn next_path(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(Some(path))
}
