-- The metadata of a local store, version 5 (PRAGMA user_version). An index over the files: it can be
-- made again from blobs/ and index.json (S6). Digests are one byte of algorithm (1 sha256,
-- 2 sha512) and the raw bytes, so that their order is that of the text forms. Times are seconds
-- since the epoch.

CREATE TABLE blob (
	id      INTEGER PRIMARY KEY,
	digest  BLOB NOT NULL UNIQUE,
	size    INTEGER NOT NULL CHECK (size >= 0),  -- bytes
	live    INTEGER NOT NULL,                    -- 1 held and durable (S2); 0 known from a descriptor only
	checked INTEGER NOT NULL DEFAULT 0,          -- time when its bytes were read last and were right; 0 never
	stamp   INTEGER NOT NULL DEFAULT 0,          -- of its file then: another one when it was written to since; 0 unknown
	touched INTEGER NOT NULL DEFAULT 0,          -- time when it was put, promised or referred to last; 0 unknown
	condemned INTEGER NOT NULL DEFAULT 0         -- time when collection took it away (live is 0 then); 0: it did not
) STRICT;
CREATE INDEX blob_checked ON blob (checked, id) WHERE live;
CREATE INDEX blob_condemned ON blob (condemned) WHERE condemned > 0;

CREATE TABLE manifest (
	id            INTEGER PRIMARY KEY REFERENCES blob (id),
	media_type    TEXT NOT NULL,
	artifact_type TEXT NOT NULL,                    -- as the referrers API lists it; '' when none
	subject       INTEGER REFERENCES blob (id),     -- NULL: none
	whole         INTEGER NOT NULL DEFAULT 1        -- 0: pushed while config or layers were not there
) STRICT;
CREATE INDEX manifest_subject ON manifest (subject) WHERE subject IS NOT NULL;

-- What a manifest names. S3: config and layer of a whole one are live; child and foreign may be absent.
CREATE TABLE edge (
	manifest INTEGER NOT NULL REFERENCES manifest (id),
	blob     INTEGER NOT NULL REFERENCES blob (id),
	role     INTEGER NOT NULL CHECK (role BETWEEN 1 AND 4),  -- 1 config, 2 layer, 3 child, 4 foreign
	PRIMARY KEY (manifest, blob, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_blob ON edge (blob);

CREATE TABLE repo (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,                      -- host/name
	bytes INTEGER NOT NULL DEFAULT 0                -- of the blobs that are linked, each once
) STRICT;

-- What may be read through a repository.
CREATE TABLE link (
	repo INTEGER NOT NULL REFERENCES repo (id),
	blob INTEGER NOT NULL REFERENCES blob (id),
	PRIMARY KEY (repo, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_blob ON link (blob);
-- repo.bytes stays the sum of what is linked, whoever links: nobody has to remember it.
CREATE TRIGGER link_counted AFTER INSERT ON link BEGIN
	UPDATE repo SET bytes = bytes + (SELECT size FROM blob WHERE id = new.blob) WHERE id = new.repo;
END;
CREATE TRIGGER link_uncounted AFTER DELETE ON link BEGIN
	UPDATE repo SET bytes = bytes - (SELECT size FROM blob WHERE id = old.blob) WHERE id = old.repo;
END;
CREATE TRIGGER blob_resized AFTER UPDATE OF size ON blob WHEN new.size <> old.size BEGIN
	UPDATE repo SET bytes = bytes + new.size - old.size WHERE id IN (SELECT repo FROM link WHERE blob = new.id);
END;

-- Tags that were put one by one; pins of active sets come before them.
CREATE TABLE tag (
	repo     INTEGER NOT NULL REFERENCES repo (id),
	name     TEXT NOT NULL,
	manifest INTEGER NOT NULL REFERENCES manifest (id),
	PRIMARY KEY (repo, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_manifest ON tag (manifest);

CREATE TABLE held_set (
	id       INTEGER PRIMARY KEY,
	blob     INTEGER NOT NULL UNIQUE REFERENCES blob (id),  -- the set index
	name     TEXT NOT NULL,
	version  TEXT NOT NULL,
	bytes    INTEGER NOT NULL,                      -- of all it holds
	pins     INTEGER NOT NULL,                      -- references
	accepted INTEGER NOT NULL,                      -- time
	missing  INTEGER NOT NULL DEFAULT 0,            -- blobs that a rebuild did not find; 0: it is whole
	created  INTEGER NOT NULL DEFAULT 0,            -- time, as the set says; -1: it says 1970; 0: it was not read yet
	expires  INTEGER NOT NULL DEFAULT 0,            -- the same; 0: never
	previous BLOB,                                  -- digest of the set that it follows; NULL: none is named
	UNIQUE (name, version)
) STRICT;

-- Reference -> manifest inside a set; tag '' when pinned by digest alone.
CREATE TABLE pin (
	repo     INTEGER NOT NULL REFERENCES repo (id),
	tag      TEXT NOT NULL,
	held_set INTEGER NOT NULL REFERENCES held_set (id),
	manifest INTEGER NOT NULL REFERENCES manifest (id),
	PRIMARY KEY (repo, tag, held_set, manifest)
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_set ON pin (held_set);
CREATE INDEX pin_manifest ON pin (manifest);

CREATE TABLE signature (
	held_set INTEGER NOT NULL REFERENCES held_set (id),
	manifest INTEGER NOT NULL REFERENCES manifest (id),
	tag      TEXT NOT NULL,                         -- '' when found as referrer
	PRIMARY KEY (held_set, manifest, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX signature_manifest ON signature (manifest);

-- Every activation, in order; a channel points at its current one (S4). Of two channels that pin the
-- same reference, the one activated last wins.
CREATE TABLE generation (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,    -- order of activation in this store
	channel   TEXT NOT NULL,
	number    INTEGER NOT NULL,                     -- 1, 2, 3 ... within the channel
	held_set  INTEGER NOT NULL REFERENCES held_set (id),
	activated INTEGER NOT NULL,                     -- time
	back      INTEGER REFERENCES generation (id),   -- what a rollback from here goes to; NULL: nothing
	UNIQUE (channel, number)
) STRICT;
CREATE INDEX generation_back ON generation (back);
CREATE TABLE channel (
	name       TEXT PRIMARY KEY,
	generation INTEGER NOT NULL REFERENCES generation (id),
	held_set   INTEGER NOT NULL REFERENCES held_set (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_set ON channel (held_set, generation);
-- Of a name, the newest version that was removed: an older one does not come in.
CREATE TABLE removed (
	name    TEXT PRIMARY KEY,
	version TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Whose tags a generation may take: sets that pin one of its references to something else.
CREATE TABLE consent (
	generation INTEGER NOT NULL REFERENCES generation (id),
	taken      TEXT NOT NULL,                       -- the other set's name
	PRIMARY KEY (generation, taken)
) STRICT, WITHOUT ROWID;

-- One row: index.json is fresh when both numbers are equal.
CREATE TABLE names (
	id      INTEGER PRIMARY KEY CHECK (id = 1),
	changed INTEGER NOT NULL,                       -- + 1 with every change of sets, pins or tags
	written INTEGER NOT NULL                        -- the `changed` that index.json shows
) STRICT;
INSERT INTO names VALUES (1, 1, 0);

PRAGMA user_version = 5;
