-- From version 1 to version 2 (schema.sql): manifests that were pushed sparse, and indexes for what
-- pushes and deletes ask.

ALTER TABLE manifest ADD COLUMN whole INTEGER NOT NULL DEFAULT 1;
DROP INDEX edge_child;
CREATE INDEX edge_blob ON edge (blob);
CREATE INDEX link_blob ON link (blob);
CREATE INDEX tag_manifest ON tag (manifest);
UPDATE names SET changed = changed + 1;  -- index.json lists more than it did

PRAGMA user_version = 2;
