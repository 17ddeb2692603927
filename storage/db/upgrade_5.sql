-- From version 4 to version 5 (schema.sql): how many bytes each repository links, for quotas.

ALTER TABLE repo ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE repo SET bytes = (
	SELECT coalesce(sum(b.size), 0) FROM link l JOIN blob b ON b.id = l.blob WHERE l.repo = repo.id
);
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

PRAGMA user_version = 5;
