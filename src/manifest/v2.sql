-- Schema version 2. Written once, never changed: a later version is a step of its own.

-- What the network root was given where that is not staging's content byte for byte: the snapshot of a live database.
-- NULL: the same content on both sides. The sides agree while each still has its own.
ALTER TABLE entry ADD COLUMN sent_size INTEGER;
ALTER TABLE entry ADD COLUMN sent_digest BLOB;

-- Where a rename came from.
ALTER TABLE event ADD COLUMN moved_from;

-- The rows of a base that was given up (`relink`), in the shape of `entry`: never compared for a decision, but a stamp in
-- it may still vouch for a digest, so that a project is not read again over the network. Emptied when a whole run ends.
CREATE TABLE former (
    folder INTEGER NOT NULL,
    name BLOB NOT NULL,
    kind INTEGER NOT NULL,
    child INTEGER,
    size INTEGER,
    mtime INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    content BLOB,
    staging_racy INTEGER, staging_size INTEGER, staging_mtime INTEGER, staging_ctime INTEGER, staging_id INTEGER,
    network_racy INTEGER, network_size INTEGER, network_mtime INTEGER, network_ctime INTEGER, network_id INTEGER,
    sent_size INTEGER, sent_digest BLOB,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;

-- Files that were written to while they were copied: not tried again before they were quiet for `quiet_ns`, which doubles
-- each time.
CREATE TABLE torn (
    path NOT NULL,
    side TEXT NOT NULL,
    times INTEGER NOT NULL,
    quiet_ns INTEGER NOT NULL,
    PRIMARY KEY (path, side)
) WITHOUT ROWID;
