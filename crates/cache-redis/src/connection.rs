use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::try_join_all;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value, cmd};
use tokio::{time::timeout, try_join};

use crate::{Config, Semantic, dial::Line, names, scripts::Script};

/// A connection that all requests use at once: what they ask goes out one after the other, and is answered in that order.
pub(crate) struct Connection {
    line: Line,
    pub(crate) semantic: Semantic,
    /// Each script's name on the server.
    hashes: Vec<Vec<u8>>,
    /// Of which dimensions there is an index of hashes.
    indexed: Mutex<HashSet<usize>>,
    timeout: Duration,
    /// How many times it was asked something, and which of them was answered last. As answers come in order, all before that
    /// were too, also if nobody waited for them any more.
    asked: AtomicU64,
    answered: AtomicU64,
}

/// So many commands may wait for answers; a thousand requests at once, with what each asks.
const MOST_UNANSWERED: u64 = 4_096;

/// So many embedders have an index of hashes each.
const MOST_INDEXED: usize = 8;

impl Connection {
    /// Makes it ready for use: finds out what the server can, and tells it the scripts.
    pub(crate) async fn prepare(line: Line, config: &Config) -> RedisResult<Self> {
        let mut connection = Self {
            line,
            semantic: Semantic::None,
            hashes: Vec::new(),
            indexed: Mutex::default(),
            timeout: config.connect_timeout,
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        };
        let load = Script::ALL.map(|script| {
            let mut load = cmd("SCRIPT");
            load.arg("LOAD").arg(script.source());
            load
        });
        let (sets, search, hashes) = try_join!(
            connection.knows(cmd("VCARD").arg(format!("{}:none", config.prefix)).take()),
            connection.knows(cmd("FT.INFO").arg(names::index(&config.prefix, 0)).take()),
            try_join_all(load.iter().map(|load| connection.ask(load))),
        )?;
        connection.semantic = match (sets, search) {
            (true, _) => Semantic::VectorSets,
            (false, true) if matches!(connection.line, Line::One(_)) => Semantic::Search,
            (false, _) => Semantic::None,
        };
        connection.hashes = hashes.into_iter().map(bytes).collect::<Option<_>>().ok_or_else(odd)?;
        connection.timeout = config.timeout;
        Ok(connection)
    }

    /// Whether there is such a command, and we may use it.
    async fn knows(&self, command: Cmd) -> RedisResult<bool> {
        match self.ask(&command).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("NOPERM") => Ok(false),
            Err(error) if error.detail().is_some_and(|said| said.contains("unknown command")) => Ok(false),
            // It says nothing of what it knows.
            Err(error)
                if ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN"]
                    .map(Some)
                    .contains(&error.code()) =>
            {
                Err(error)
            }
            // That there is no such index.
            Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether its client looks after each of many connections by itself.
    pub(crate) fn is_cluster(&self) -> bool {
        !matches!(self.line, Line::One(_))
    }

    /// How much it has to do.
    pub(crate) fn unanswered(&self) -> u64 {
        // Read in this order: what is asked in between makes it more, never less than nothing.
        let answered = self.answered.load(Relaxed);
        self.asked.load(Relaxed).saturating_sub(answered)
    }

    /// How often it has answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    /// What comes of asking. If this is dropped, the answer comes nevertheless, and nobody has it.
    pub(crate) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        if self.unanswered() >= MOST_UNANSWERED {
            return Err((ErrorKind::Client, "too much waits for Redis").into());
        }
        self.ask_anyway(command).await
    }

    /// The same, however much waits for an answer.
    pub(crate) async fn ask_anyway(&self, command: &Cmd) -> RedisResult<Value> {
        let number = self.asked.fetch_add(1, Relaxed) + 1;
        let answer = timeout(self.timeout, self.line.send(command)).await;
        let answer =
            answer.map_err(|_| RedisError::from((ErrorKind::Io, "Redis has not answered in time")))?;
        self.answered.fetch_max(number, Relaxed);
        answer
    }

    /// Runs a script; by its text if the server has forgotten it.
    pub(crate) async fn run(&self, script: Script, key: &[u8], with: &[&[u8]]) -> RedisResult<Value> {
        let command = |how: &str, script: &[u8]| {
            let mut command = cmd(how);
            command.arg(script).arg(1).arg(key).arg(with);
            command
        };
        let answer = self.ask(&command("EVALSHA", &self.hashes[script as usize])).await;
        match answer {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                self.ask(&command("EVAL", script.source().as_bytes())).await
            }
            answer => answer,
        }
    }

    /// Makes an index of hashes for vectors of this length, if it is not known to be there.
    pub(crate) async fn ensure_index(&self, prefix: &str, dimensions: usize) -> RedisResult<()> {
        let is_known = {
            let indexed = self.indexed();
            indexed.contains(&dimensions) || indexed.len() >= MOST_INDEXED
        };
        if self.semantic != Semantic::Search || is_known {
            return Ok(());
        }
        let mut create = cmd("FT.CREATE");
        create.arg(names::index(prefix, dimensions)).arg("ON").arg("HASH").arg("PREFIX").arg(1);
        create.arg(format!("{prefix}:{{")).arg("SCHEMA").arg("p").arg("TAG");
        create.arg(format!("v{dimensions}")).arg("VECTOR").arg("FLAT").arg(6);
        create.arg("TYPE").arg("FLOAT32").arg("DIM").arg(dimensions).arg("DISTANCE_METRIC").arg("COSINE");
        match self.ask(&create).await {
            Ok(_) => {}
            Err(error) if error.to_string().contains("already exists") => {}
            Err(error) => return Err(error),
        }
        self.indexed().insert(dimensions);
        Ok(())
    }

    /// An index is not there any more.
    pub(crate) fn lost_index(&self, dimensions: usize) {
        self.indexed().remove(&dimensions);
    }

    fn indexed(&self) -> std::sync::MutexGuard<'_, HashSet<usize>> {
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is not of the form that the command has.
pub(crate) fn odd() -> RedisError {
    (ErrorKind::UnexpectedReturnType, "Redis answered something else").into()
}

/// What was asked for, if it is there.
pub(crate) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

pub(crate) fn array(value: Value) -> RedisResult<Vec<Value>> {
    if let Value::Array(values) = value { Ok(values) } else { Err(odd()) }
}

pub(crate) fn number(value: &Value) -> RedisResult<i64> {
    if let Value::Int(number) = value { Ok(*number) } else { Err(odd()) }
}
