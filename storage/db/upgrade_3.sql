-- From version 2 to version 3 (schema.sql): sets that a rebuild could not make whole, whose tags a generation
-- may take, and when the bytes of each blob were read last. Of what is held already that is unknown, so it counts as never.

ALTER TABLE held_set ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blob ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blob ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
CREATE INDEX blob_checked ON blob (checked, id) WHERE live;
CREATE TABLE consent (
	generation INTEGER NOT NULL REFERENCES generation (id),
	taken      TEXT NOT NULL,
	PRIMARY KEY (generation, taken)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 3;
