//! What the database is asked, in a schema of any name.

use futures_util::future::try_join_all;
use tokio_postgres::{Client, Error, Statement};

/// Prepared on one connection.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) get: Statement,
    pub(crate) get_all: Statement,
    pub(crate) find: Statement,
    pub(crate) put: Statement,
    pub(crate) put_leased: Statement,
    pub(crate) embed: Statement,
    pub(crate) forget: Statement,
    pub(crate) remove_entry: Statement,
    pub(crate) remove_tagged: Statement,
    pub(crate) remove_tenant: Statement,
    pub(crate) acquire: Statement,
    pub(crate) acquired: Statement,
    pub(crate) renew: Statement,
    pub(crate) release: Statement,
    pub(crate) release_barren: Statement,
}

impl Statements {
    /// Prepares all, in the time of one.
    pub(crate) async fn prepare(client: &Client, schema: &str) -> Result<Self, Error> {
        let sql = ALL.map(|sql| in_schema(sql, schema));
        let all = try_join_all(sql.iter().map(|sql| client.prepare(sql))).await?;
        let all: [Statement; ALL.len()] = all.try_into().expect("as many as were asked for");
        let [
            get,
            get_all,
            find,
            put,
            put_leased,
            embed,
            forget,
            remove_entry,
            remove_tagged,
            remove_tenant,
            acquire,
            acquired,
            renew,
            release,
            release_barren,
        ] = all;
        Ok(Self {
            get,
            get_all,
            find,
            put,
            put_leased,
            embed,
            forget,
            remove_entry,
            remove_tagged,
            remove_tenant,
            acquire,
            acquired,
            renew,
            release,
            release_barren,
        })
    }
}

pub(crate) fn in_schema(sql: &str, schema: &str) -> String {
    sql.replace("{schema}", schema)
}

const ALL: [&str; 15] = [
    GET,
    GET_ALL,
    FIND,
    PUT,
    PUT_LEASED,
    EMBED,
    FORGET,
    REMOVE_ENTRY,
    REMOVE_TAGGED,
    REMOVE_TENANT,
    ACQUIRE,
    ACQUIRED,
    RENEW,
    RELEASE,
    RELEASE_BARREN,
];

const GET: &str = "SELECT data FROM {schema}.entry WHERE key = $1 AND partition = $2 AND expires > now()";

const GET_ALL: &str =
    "SELECT key, data FROM {schema}.entry WHERE key = ANY($1) AND partition = $2 AND expires > now()";

const FIND: &str =
    "SELECT data FROM {schema}.entry WHERE key = $1 AND tenant = $2 AND expires > now() LIMIT 1";

/// Each one that is kept clears away up to four that are past their time, so that these never become more; not those that
/// another is clearing away. Nobody waits for a disk: what a crash forgets is a miss.
macro_rules! put {
    ($held:literal, $where:literal) => {
        concat!(
            "WITH soon AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), ",
            $held,
            "past AS (
                DELETE FROM {schema}.entry WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM {schema}.entry
                    WHERE expires <= now() AND (key, partition) <> ($1::bytea, $2::bytea)
                    ORDER BY expires LIMIT 4 FOR UPDATE SKIP LOCKED)))
            INSERT INTO {schema}.entry AS kept
                (key, partition, tenant, tags, expires, dimensions, embedding, data)
            SELECT $1, $2, $3::bytea, $4::bytea[], clock_timestamp() + $5::float8 * interval '1 ms',
                $6::integer, $7::real[]::halfvec, $8::bytea FROM soon",
            $where,
            " ON CONFLICT (key, partition) DO UPDATE SET
                tenant = excluded.tenant, tags = excluded.tags, expires = excluded.expires,
                dimensions = excluded.dimensions, embedding = excluded.embedding, data = excluded.data"
        )
    };
}

const PUT: &str = put!("", "");

/// Whoever would take the lease over meanwhile waits for the end of this, and then finds what was kept.
const PUT_LEASED: &str = put!(
    "held AS (
        SELECT FROM {schema}.lease
        WHERE key = $1 AND partition = $2 AND token = $9 AND NOT barren AND ends > clock_timestamp()
        FOR SHARE), ",
    " WHERE EXISTS (SELECT FROM held)"
);

const EMBED: &str = "UPDATE {schema}.entry SET dimensions = $3::integer, embedding = $4::real[]::halfvec
    WHERE key = $1 AND partition = $2 AND embedding IS DISTINCT FROM $4::real[]::halfvec";

const FORGET: &str = "UPDATE {schema}.entry SET dimensions = NULL, embedding = NULL
    WHERE key = $1 AND partition = $2 AND dimensions IS NOT NULL";

const REMOVE_ENTRY: &str = "DELETE FROM {schema}.entry WHERE key = $1 AND tenant = $2";

/// At most a thousand at once, so that each statement is short. Locked in one order, so that two that remove the same do not wait for each other. Found again by its key: what another has
/// written meanwhile is where it was not when this began.
macro_rules! remove {
    ($which:literal) => {
        concat!(
            "DELETE FROM {schema}.entry AS gone USING (
                SELECT key, partition FROM {schema}.entry WHERE ",
            $which,
            " ORDER BY key, partition LIMIT 1000 FOR UPDATE) AS found
            WHERE gone.key = found.key AND gone.partition = found.partition"
        )
    };
}

const REMOVE_TAGGED: &str = remove!("tags @> ARRAY[$1::bytea]");

const REMOVE_TENANT: &str = remove!("tenant = $1");

/// Clears away what ended a while ago, too: the leases of who is gone.
const ACQUIRE: &str = "WITH past AS (
        DELETE FROM {schema}.lease WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {schema}.lease
            WHERE ends <= now() AND (key, partition) <> ($1::bytea, $2::bytea)
            ORDER BY ends LIMIT 4 FOR UPDATE SKIP LOCKED)))
    INSERT INTO {schema}.lease AS held (key, partition, token, barren, ends)
    VALUES ($1, $2, $3, false, clock_timestamp() + $4::float8 * interval '1 ms')
    ON CONFLICT (key, partition) DO UPDATE SET token = excluded.token, barren = false, ends = excluded.ends
    WHERE held.ends <= clock_timestamp()";

/// In a statement of its own, as that sees what was kept before the lease was taken.
const ACQUIRED: &str = "SELECT
    (SELECT barren FROM {schema}.lease WHERE key = $1 AND partition = $2 AND ends > now()),
    (SELECT data FROM {schema}.entry WHERE key = $1 AND partition = $2 AND expires > now())";

const RENEW: &str = "UPDATE {schema}.lease SET ends = clock_timestamp() + $4::float8 * interval '1 ms'
    WHERE key = $1 AND partition = $2 AND token = $3 AND NOT barren AND ends > clock_timestamp()";

const RELEASE: &str = "DELETE FROM {schema}.lease WHERE key = $1 AND partition = $2 AND token = $3";

const RELEASE_BARREN: &str =
    "UPDATE {schema}.lease SET barren = true, ends = clock_timestamp() + $4::float8 * interval '1 ms'
    WHERE key = $1 AND partition = $2 AND token = $3 AND NOT barren AND ends > clock_timestamp()";

/// pgvector indexes no more dimensions than these, of two bytes each.
const MOST_INDEXED: usize = 4_000;

/// The nearest, with their entries. A small partition is searched through, which misses nothing; of a large one the index
/// gives neighbours of all partitions, the nearest first, until there are enough of this one. Which of the two it is, the
/// statement says itself: the database would decide by what partitions are like on average, or plan anew each time.
pub(crate) fn search(dimensions: usize, schema: &str) -> String {
    let sql = if dimensions <= MOST_INDEXED {
        SEARCH_EITHER.replace("{small}", SMALL).replace("{large}", LARGE)
    } else {
        SEARCH_THROUGH.to_owned()
    };
    in_schema(&sql, schema)
        .replace("{halfvec}", &format!("halfvec({dimensions})"))
        .replace("{dimensions}", &dimensions.to_string())
}

/// Whether a partition is large is found out once.
const SEARCH_EITHER: &str = "
    WITH size AS MATERIALIZED (SELECT EXISTS (
        SELECT FROM {schema}.entry WHERE partition = $1 AND dimensions = {dimensions} OFFSET $4) AS is_large),
    looked_for AS MATERIALIZED (SELECT $2::real[]::{halfvec} AS vector)
    SELECT key, data FROM (({small}) UNION ALL ({large})) AS near ORDER BY distance + 0 LIMIT $3";

/// The product plus nothing is one that there is no index for.
const SMALL: &str = "
    SELECT key, data, (embedding <#> (SELECT vector FROM looked_for)) + 0 AS distance FROM {schema}.entry
    WHERE partition = $1 AND dimensions = {dimensions} AND expires > now()
        AND NOT (SELECT is_large FROM size)
    ORDER BY distance LIMIT $3";

/// The partition with no bytes more is one that there is no index for. The index gives what is near in about that order, and so
/// more is taken than is wanted.
const LARGE: &str = "
    SELECT key, data, embedding::{halfvec} <#> (SELECT vector FROM looked_for) AS distance FROM {schema}.entry
    WHERE partition || ''::bytea = $1 AND dimensions = {dimensions} AND expires > now()
        AND (SELECT is_large FROM size)
    ORDER BY distance LIMIT 4 * $3";

/// Of so many dimensions that there is no index.
const SEARCH_THROUGH: &str = "
    SELECT key, data FROM {schema}.entry
    WHERE partition = $1 AND dimensions = {dimensions} AND expires > now() AND $4::bigint IS NOT NULL
    ORDER BY embedding <#> (SELECT $2::real[]::halfvec) LIMIT $3";

/// The index of one number of dimensions, if there can be one. Only one process makes it, and only where it is not there.
pub(crate) fn index(dimensions: usize, schema: &str) -> Option<String> {
    (1..=MOST_INDEXED).contains(&dimensions).then(|| {
        format!(
            "SELECT pg_advisory_xact_lock({LOCK}); SET LOCAL statement_timeout = 0;
            CREATE INDEX IF NOT EXISTS entry_near_{dimensions} ON {schema}.entry
            USING hnsw ((embedding::halfvec({dimensions})) halfvec_ip_ops) WHERE dimensions = {dimensions}"
        )
    })
}

/// A lock of ours in the whole database: "dashpot" in bytes.
pub(crate) const LOCK: u64 = 0x64_6173_6870_6f74;
