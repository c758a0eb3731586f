use std::{
    collections::HashMap,
    error::Error,
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot_cache::StoreError;
use tokio::{sync::Notify, time::timeout};
use tokio_postgres::{Client, Row, Statement, error::SqlState, types::ToSql};

use crate::{
    Config, schema,
    statements::{self, Statements},
};

/// A connection that several requests use at once: what they ask goes out one after the other, and is answered in that order.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) statements: Statements,
    schema: String,
    /// Of vectors of so many dimensions.
    searches: Mutex<HashMap<usize, Statement>>,
    timeout: Duration,
    /// How many times it was asked something, and which of them was answered last. As answers come in order, all before that
    /// were too, also if nobody waited for them any more.
    asked: AtomicU64,
    answered: AtomicU64,
    /// Told when what was prepared cannot be used any more.
    pub(crate) gone: Notify,
}

/// Somebody has removed or changed the tables, or what was prepared: whoever connects again finds or makes them.
const GONE: [SqlState; 4] = [
    SqlState::UNDEFINED_TABLE,
    SqlState::INVALID_SCHEMA_NAME,
    SqlState::INVALID_SQL_STATEMENT_NAME,
    SqlState::FEATURE_NOT_SUPPORTED,
];

/// What a statement is executed with.
pub(crate) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How long tables may take to be made or changed.
const MIGRATION: Duration = Duration::from_secs(600);

/// So many statements may wait in one connection.
const MOST_UNANSWERED: u64 = 256;

/// Statements of so many different numbers of dimensions are kept: there is one for each embedder.
const MOST_SEARCHES: usize = 16;

impl Connection {
    /// Makes it ready for use.
    pub(crate) async fn prepare(
        client: Client,
        config: &Config,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let late = |_| "to prepare it takes too long";
        let is_current = timeout(config.connect_timeout, schema::is_current(&client, &config.schema));
        if !is_current.await.map_err(late)?? {
            // To make or to change tables may take longer than all else.
            timeout(MIGRATION, schema::migrate(&client, &config.schema)).await.map_err(late)??;
        }
        let prepare = async {
            schema::check_extension(&client).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(Statements::prepare(&client, &config.schema).await?)
        };
        Ok(Self {
            statements: timeout(config.connect_timeout, prepare).await.map_err(late)??,
            client,
            schema: config.schema.clone(),
            searches: Mutex::default(),
            timeout: config.timeout,
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            gone: Notify::new(),
        })
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
    pub(crate) async fn ask<T>(
        &self,
        asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        if self.unanswered() >= MOST_UNANSWERED {
            return Err(StoreError::new("too much waits for the database"));
        }
        self.ask_anyway(asked).await
    }

    /// The same, however much waits for an answer.
    pub(crate) async fn ask_anyway<T>(
        &self,
        asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        let number = self.asked.fetch_add(1, Relaxed) + 1;
        let answer = timeout(self.timeout, asked).await;
        let answer = answer.map_err(|_| StoreError::new("the database has not answered in time"))?;
        self.answered.fetch_max(number, Relaxed);
        if let Err(error) = &answer
            && error.code().is_some_and(|code| GONE.contains(code))
        {
            self.gone.notify_one();
        }
        answer.map_err(StoreError::new)
    }

    pub(crate) async fn execute(&self, what: &Statement, with: Values<'_>) -> Result<u64, StoreError> {
        self.ask(self.client.execute(what, with)).await
    }

    pub(crate) async fn row(&self, what: &Statement, with: Values<'_>) -> Result<Option<Row>, StoreError> {
        self.ask(self.client.query_opt(what, with)).await
    }

    pub(crate) async fn rows(&self, what: &Statement, with: Values<'_>) -> Result<Vec<Row>, StoreError> {
        self.ask(self.client.query(what, with)).await
    }

    /// The statement that looks for the nearest of so many dimensions; prepared when it is first needed.
    pub(crate) async fn search(&self, dimensions: usize) -> Result<Statement, StoreError> {
        let known = self.searches.lock().unwrap_or_else(PoisonError::into_inner).get(&dimensions).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let sql = statements::search(dimensions, &self.schema);
        let statement = self.ask(self.client.prepare(&sql)).await?;
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        if searches.len() < MOST_SEARCHES {
            searches.insert(dimensions, statement.clone());
        }
        Ok(statement)
    }
}
