-- Schema version 1. Written once, never changed: a later version is a step of its own.
-- All times are nanoseconds since 1970-01-01T00:00:00Z, all sizes bytes.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The next folder id. Ids are never used twice, the root is folder 1 and has no row in `entry`.
CREATE TABLE folder_id (
    next INTEGER NOT NULL
);
INSERT INTO folder_id (next) VALUES (2);

-- The base: what both roots held when they last agreed, one row a name.
CREATE TABLE entry (
    folder INTEGER NOT NULL,   -- the id of the folder that holds the name
    name BLOB NOT NULL,        -- bytes, because file names need not be UTF-8
    kind INTEGER NOT NULL,     -- 0 file, 1 folder, 2 link
    child INTEGER,             -- a folder's own id
    size INTEGER,              -- files
    mtime INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    content BLOB,              -- a file's digest, a link's target
    -- How each side showed it. `racy` NULL: never seen; 0: the stamp vouches for the content; 1: too young to.
    -- `size` and `mtime` NULL: as the entry's (no size: 0); `ctime` NULL: as this side's mtime.
    staging_racy INTEGER, staging_size INTEGER, staging_mtime INTEGER, staging_ctime INTEGER, staging_id INTEGER,
    network_racy INTEGER, network_size INTEGER, network_mtime INTEGER, network_ctime INTEGER, network_id INTEGER,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;

-- The two roots as they were last identified and measured. The measures are NULL until there are any.
CREATE TABLE root (
    side TEXT PRIMARY KEY,     -- staging, network
    id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    device INTEGER NOT NULL,
    granularity_ns INTEGER, clock_step_ns INTEGER,
    ctime INTEGER, ids INTEGER, modes INTEGER, links INTEGER, hard_links INTEGER, exchange INTEGER,
    folds_case INTEGER, folds_unicode INTEGER, remote INTEGER, fuse INTEGER
) WITHOUT ROWID;

-- Paths outside `entry` are text where they are UTF-8, else blobs.
-- A version is four columns: what (absent, file, folder, link, ignored, unknown), size, mtime, digest.
CREATE TABLE conflict (
    path PRIMARY KEY,
    since INTEGER NOT NULL,    -- first seen
    in_base INTEGER NOT NULL,
    staging_change TEXT NOT NULL, network_change TEXT NOT NULL,
    staging_what TEXT NOT NULL, staging_size INTEGER, staging_mtime INTEGER, staging_digest BLOB,
    network_what TEXT NOT NULL, network_size INTEGER, network_mtime INTEGER, network_digest BLOB,
    copy,                      -- where the network root keeps a copy of staging's version
    copied INTEGER             -- when it was copied
) WITHOUT ROWID;

CREATE TABLE problem (
    path NOT NULL,
    side TEXT NOT NULL,
    since INTEGER NOT NULL,    -- first seen
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (path, side)
) WITHOUT ROWID;

CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    direction TEXT NOT NULL,   -- up, down, both
    started INTEGER NOT NULL,
    ended INTEGER,             -- NULL: running, or it was killed
    outcome TEXT
);

CREATE TABLE run_count (
    run INTEGER NOT NULL,
    what TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (run, what)
) WITHOUT ROWID;

-- Deletes, overwrites, conflicts, revivals and problems, each with its reason and what the three held before.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    at INTEGER NOT NULL,
    path NOT NULL,
    side TEXT,                 -- where something was done
    op TEXT NOT NULL,
    why TEXT NOT NULL,
    deleted_files INTEGER NOT NULL,
    kept,                      -- where the side's trash holds the displaced version, below its root
    base_what TEXT NOT NULL, base_size INTEGER, base_mtime INTEGER, base_digest BLOB,
    staging_what TEXT NOT NULL, staging_size INTEGER, staging_mtime INTEGER, staging_digest BLOB,
    network_what TEXT NOT NULL, network_size INTEGER, network_mtime INTEGER, network_digest BLOB
);
CREATE INDEX event_by_run ON event (run);
CREATE INDEX event_deletes ON event (side, at) WHERE deleted_files > 0;

-- For people: the base with whole paths, times in UTC and modes in octal.
CREATE VIEW base AS
WITH RECURSIVE folders (id, path) AS (
    SELECT 1, ''
    UNION ALL
    SELECT entry.child, folders.path || CAST(entry.name AS TEXT) || '/'
    FROM folders JOIN entry ON entry.folder = folders.id
    WHERE entry.child IS NOT NULL
)
SELECT
    folders.path || CAST(entry.name AS TEXT) AS path,
    CASE kind WHEN 0 THEN 'file' WHEN 1 THEN 'folder' ELSE 'link' END AS kind,
    size,
    strftime('%Y-%m-%dT%H:%M:%SZ', mtime / 1000000000, 'unixepoch') AS mtime,
    printf('%04o', mode) AS mode,
    CASE kind WHEN 0 THEN lower(hex(content)) END AS digest,
    CASE kind WHEN 2 THEN CAST(content AS TEXT) END AS target,
    CASE staging_racy WHEN 0 THEN 'vouches' WHEN 1 THEN 'racy' ELSE 'never seen' END AS staging_stamp,
    CASE network_racy WHEN 0 THEN 'vouches' WHEN 1 THEN 'racy' ELSE 'never seen' END AS network_stamp,
    folder, child
FROM folders JOIN entry ON entry.folder = folders.id;

-- For people: the events with times in UTC and what the three held in words.
CREATE VIEW history AS
SELECT
    event.run,
    run.direction,
    strftime('%Y-%m-%dT%H:%M:%SZ', event.at / 1000000000, 'unixepoch') AS at,
    CAST(event.path AS TEXT) AS path, event.op, event.side, event.why,
    base_what || coalesce(' of ' || base_size || ' bytes', '')
        || coalesce(' from ' || strftime('%Y-%m-%dT%H:%M:%SZ', base_mtime / 1000000000, 'unixepoch'), '') AS base,
    staging_what || coalesce(' of ' || staging_size || ' bytes', '')
        || coalesce(' from ' || strftime('%Y-%m-%dT%H:%M:%SZ', staging_mtime / 1000000000, 'unixepoch'), '') AS staging,
    network_what || coalesce(' of ' || network_size || ' bytes', '')
        || coalesce(' from ' || strftime('%Y-%m-%dT%H:%M:%SZ', network_mtime / 1000000000, 'unixepoch'), '') AS network,
    CAST(event.kept AS TEXT) AS kept
FROM event LEFT JOIN run ON run.id = event.run;
