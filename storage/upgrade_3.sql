-- From version 2 to version 3 (schema.sql): sets that a rebuild could not make whole.

ALTER TABLE held_set ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 3;
