-- From version 3 to version 4 (schema.sql): when each blob was touched last, and what collection condemned. Of what is
-- held already that is unknown, so its grace begins now.

ALTER TABLE blob ADD COLUMN touched INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blob ADD COLUMN condemned INTEGER NOT NULL DEFAULT 0;
UPDATE blob SET touched = CAST(strftime('%s', 'now') AS INTEGER) WHERE live;
CREATE INDEX blob_condemned ON blob (condemned) WHERE condemned > 0;
CREATE INDEX pin_manifest ON pin (manifest);
CREATE INDEX signature_manifest ON signature (manifest);

PRAGMA user_version = 4;
