-- From version 3 to version 4 (schema.sql): what collection needs of blobs, what a set says of itself, and where a
-- rollback goes. What was activated before goes back to what was active before it.

ALTER TABLE blob ADD COLUMN touched INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blob ADD COLUMN condemned INTEGER NOT NULL DEFAULT 0;
-- When it was put is unknown, so its grace begins now.
UPDATE blob SET touched = CAST(strftime('%s', 'now') AS INTEGER) WHERE live;
CREATE INDEX blob_condemned ON blob (condemned) WHERE condemned > 0;
CREATE INDEX pin_manifest ON pin (manifest);
CREATE INDEX signature_manifest ON signature (manifest);
ALTER TABLE held_set ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE held_set ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;
ALTER TABLE held_set ADD COLUMN previous BLOB;
ALTER TABLE generation ADD COLUMN back INTEGER REFERENCES generation (id);
UPDATE generation SET back = (
	SELECT max(before.id) FROM generation before
	WHERE before.channel = generation.channel AND before.id < generation.id
);

PRAGMA user_version = 4;
