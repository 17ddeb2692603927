-- Forget everything (schema.sql), what refers to others first. The numbers of states go on: an index.json
-- that shows one of them is not to be taken for another.

DELETE FROM removed;
DELETE FROM consent;
DELETE FROM signature;
DELETE FROM pin;
DELETE FROM channel;
DELETE FROM generation;
DELETE FROM tag;
DELETE FROM link;
DELETE FROM edge;
DELETE FROM held_set;
DELETE FROM manifest;
DELETE FROM repo;
DELETE FROM blob;
