-- {schema} is replaced by the name that was chosen.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE {schema}.entry (
    key bytea NOT NULL,
    partition bytea NOT NULL,
    -- Hashes, so that whatever bytes they are of can be kept, and all are short.
    tenant bytea NOT NULL,
    tags bytea[],
    expires timestamptz NOT NULL,
    dimensions integer,
    embedding halfvec,
    data bytea NOT NULL,
    PRIMARY KEY (key, partition)
) WITH (toast_tuple_target = 128);

-- Rows are read by the thousand for what they mean, and one by one for what they say: the first in the row, the second beside
-- it, and that is compressed already.
ALTER TABLE {schema}.entry ALTER COLUMN embedding SET STORAGE MAIN, ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE INDEX entry_partition ON {schema}.entry (partition, dimensions) WHERE dimensions IS NOT NULL;
CREATE INDEX entry_tenant ON {schema}.entry (tenant);
CREATE INDEX entry_tags ON {schema}.entry USING gin (tags) WHERE tags IS NOT NULL;
CREATE INDEX entry_expires ON {schema}.entry (expires);

-- Who holds one is gone with the server, and so is the lease.
CREATE UNLOGGED TABLE {schema}.lease (
    key bytea NOT NULL,
    partition bytea NOT NULL,
    token bytea NOT NULL,
    -- Whether it ended, with nothing to wait for.
    barren boolean NOT NULL,
    ends timestamptz NOT NULL,
    PRIMARY KEY (key, partition)
);

CREATE INDEX lease_ends ON {schema}.lease (ends);
