Every statement, for SQLite. A block begins with its name and ends at the next one; no semicolons. What
writes rows says so, and needs a transaction. CROSS JOIN is SQLite's way to say in which order to join. Names that begin with ALL_ are for check, rebuild and people and may read whole tables;
of every other one a test reads the plan and refuses a scan of a table that grows with the store.

-- name: CHANGE
PRAGMA data_version
-- name: BEGIN
BEGIN IMMEDIATE
-- name: SNAPSHOT
BEGIN
-- name: COMMIT
COMMIT
-- name: ROLLBACK
ROLLBACK
-- name: SAVEPOINT
SAVEPOINT change
-- name: SAVEPOINT_RELEASE
RELEASE change
-- name: SAVEPOINT_UNDO
ROLLBACK TO change

-- name: ALL_COPY
VACUUM INTO ?1

-- name: BLOB_GET
SELECT b.id, b.size, b.live, m.media_type, m.whole, b.stamp, b.touched
FROM blob b LEFT JOIN manifest m ON m.id = b.id
WHERE b.digest = ?1
-- name: BLOBS_GET
SELECT i.rowid, b.id, b.size, b.live, m.media_type, m.whole, b.stamp, b.touched,
	EXISTS (SELECT 1 FROM link l WHERE l.repo = ?2 AND l.blob = b.id)
FROM rowset(?1) i
CROSS JOIN blob b ON b.digest = i.c0
LEFT JOIN manifest m ON m.id = b.id
-- write: BLOBS_WANT
INSERT INTO blob (digest, size, live) SELECT c0, c1, 0 FROM rowset(?1) WHERE true RETURNING digest, id
-- write: BLOB_LIVE
INSERT INTO blob (digest, size, live, touched) VALUES (?1, ?2, 1, ?3)
ON CONFLICT (digest) DO UPDATE SET live = 1, size = excluded.size, checked = 0, stamp = 0, touched = excluded.touched,
	condemned = 0
-- write: BLOBS_PROVED
INSERT INTO blob (digest, size, live, checked, stamp, touched) SELECT c0, c1, 1, ?2, c2, ?3 FROM rowset(?1) WHERE true
ON CONFLICT (digest) DO UPDATE SET live = 1, size = excluded.size, checked = excluded.checked,
	stamp = excluded.stamp, touched = max(touched, excluded.touched), condemned = 0
-- write: BLOBS_TOUCH
UPDATE blob SET touched = max(touched, ?2) WHERE digest IN (SELECT c0 FROM rowset(?1)) AND live
-- write: BLOB_LOST
UPDATE blob SET live = 0, checked = 0, stamp = 0 WHERE digest = ?1
-- name: BLOBS_BY_AGE
SELECT id, digest, size, checked FROM blob
WHERE live AND (checked, id) > (?1, ?2) AND checked < ?3 ORDER BY checked, id LIMIT ?4
-- name: BLOBS_BY_ID
SELECT id, digest, size, checked FROM blob WHERE id > ?1 AND live ORDER BY id LIMIT ?2
-- name: BLOB_OLDEST
SELECT checked FROM blob WHERE live AND checked >= 0 ORDER BY checked, id LIMIT 1
-- name: BLOB_USERS
WITH RECURSIVE up (id, attached) AS (
	SELECT b.id, i.c1 FROM rowset(?1) i CROSS JOIN blob b ON b.digest = i.c0
	UNION
	SELECT e.manifest, up.attached FROM up CROSS JOIN edge e ON e.blob = up.id
	UNION
	SELECT m.subject, 1 FROM up CROSS JOIN manifest m ON m.id = up.id WHERE m.subject IS NOT NULL
)
SELECT r.name AS name, t.name AS tag FROM up
CROSS JOIN tag t ON t.manifest = up.id
JOIN repo r ON r.id = t.repo
WHERE NOT up.attached OR EXISTS (
	SELECT 1 FROM rowset(?1) i CROSS JOIN blob b ON b.digest = i.c0 AND NOT i.c1
	JOIN link l ON l.repo = r.id AND l.blob = b.id)
UNION
SELECT r.name, p.tag FROM up
CROSS JOIN pin p ON p.manifest = up.id
CROSS JOIN channel c ON c.held_set = p.held_set
JOIN repo r ON r.id = p.repo
WHERE NOT up.attached OR EXISTS (
	SELECT 1 FROM rowset(?1) i CROSS JOIN blob b ON b.digest = i.c0 AND NOT i.c1
	JOIN link l ON l.repo = r.id AND l.blob = b.id)
ORDER BY 1, 2 LIMIT ?2
-- name: BLOB_SETS
WITH RECURSIVE up (id) AS (
	SELECT id FROM blob WHERE digest = ?1
	UNION
	SELECT e.manifest FROM up CROSS JOIN edge e ON e.blob = up.id
)
SELECT s.name AS name, s.version AS version, b.digest, EXISTS (SELECT 1 FROM channel c WHERE c.held_set = s.id)
FROM up
CROSS JOIN held_set s ON s.blob = up.id
JOIN blob b ON b.id = s.blob
UNION
SELECT s.name, s.version, b.digest, EXISTS (SELECT 1 FROM channel c WHERE c.held_set = s.id) FROM up
CROSS JOIN signature g ON g.manifest = up.id
JOIN held_set s ON s.id = g.held_set
JOIN blob b ON b.id = s.blob
ORDER BY 1, 2
-- name: ALL_ABSENT
SELECT b.digest, b.size FROM edge e
JOIN manifest m ON m.id = e.manifest
JOIN blob b ON b.id = e.blob
WHERE e.role IN (1, 2) AND NOT b.live AND m.whole
UNION
SELECT b.digest, b.size FROM manifest m JOIN blob b ON b.id = m.id WHERE NOT b.live
UNION
SELECT b.digest, b.size FROM held_set s JOIN blob b ON b.id = s.blob WHERE NOT b.live
ORDER BY 1
-- name: ALL_BLOBS
SELECT digest, size FROM blob WHERE live ORDER BY id

-- name: REPO_BYTES
SELECT r.bytes, EXISTS (
	SELECT 1 FROM blob b JOIN link l ON l.repo = r.id AND l.blob = b.id WHERE b.digest = ?2
) FROM repo r WHERE r.name = ?1
-- name: REPO_FIND
SELECT id FROM repo WHERE name = ?1
-- write: REPO_MAKE
INSERT INTO repo (name) VALUES (?1) RETURNING id
-- write: REPOS_MAKE
INSERT OR IGNORE INTO repo (name) SELECT c0 FROM rowset(?1)
-- name: REPOS_GET
SELECT i.rowid, r.id FROM rowset(?1) i CROSS JOIN repo r ON r.name = i.c0
-- name: REPO_BLOB
SELECT b.size FROM blob b
JOIN repo r ON r.name = ?1
JOIN link l ON l.repo = r.id AND l.blob = b.id
WHERE b.digest = ?2 AND b.live
-- write: LINK_ADD
INSERT OR IGNORE INTO link (repo, blob) VALUES (?1, ?2)
-- write: LINKS_ADD
INSERT OR IGNORE INTO link (repo, blob) SELECT c0, c1 FROM rowset(?1)
-- write: LINKS_IMAGE
INSERT OR IGNORE INTO link (repo, blob)
SELECT i.c0, e.blob FROM rowset(?1) i CROSS JOIN edge e ON e.manifest = i.c1 AND e.role IN (1, 2, 4)

-- write: LINK_NEEDED
INSERT OR IGNORE INTO link (repo, blob)
SELECT ?1, blob FROM edge WHERE manifest = ?2 AND role IN (1, 2, 3)
-- write: LINK_DROP
DELETE FROM link WHERE repo = (SELECT id FROM repo WHERE name = ?1) AND blob = ?2
-- write: TAGS_DROP
DELETE FROM tag WHERE manifest = ?2 AND repo = (SELECT id FROM repo WHERE name = ?1)
-- name: REPOS_WITH
SELECT r.name FROM blob b
CROSS JOIN link l ON l.blob = b.id
JOIN repo r ON r.id = l.repo
WHERE b.digest = ?1
ORDER BY r.name
-- name: NEEDED_BY
SELECT b.digest FROM edge e
CROSS JOIN link l ON l.repo = (SELECT id FROM repo WHERE name = ?1) AND l.blob = e.manifest
JOIN blob b ON b.id = e.manifest
WHERE e.blob = ?2
LIMIT 1
-- name: SET_HOLDING
WITH RECURSIVE up (id) AS (
	SELECT ?2
	UNION
	SELECT e.manifest FROM up CROSS JOIN edge e ON e.blob = up.id
)
SELECT s.name, s.version FROM up
CROSS JOIN held_set s ON s.blob = up.id
WHERE EXISTS (
	SELECT 1 FROM pin p
	WHERE p.held_set = s.id AND p.repo = (SELECT id FROM repo WHERE name = ?1)
)
LIMIT 1

-- write: MANIFESTS_ADD
INSERT INTO manifest (id, media_type, artifact_type, subject, whole)
SELECT c0, c1, c2, c3, c4 FROM rowset(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET media_type = excluded.media_type, artifact_type = excluded.artifact_type,
	whole = CASE WHEN media_type = excluded.media_type THEN max(whole, excluded.whole) ELSE excluded.whole END
WHERE excluded.whole > whole OR media_type <> excluded.media_type
-- write: EDGES_ADD
INSERT OR IGNORE INTO edge (manifest, blob, role) SELECT c0, c1, c2 FROM rowset(?1)
-- name: MANIFEST_BY_TAG
SELECT b.digest, b.size, m.media_type
FROM repo r
JOIN blob b ON b.id = coalesce((
	SELECT p.manifest FROM pin p
	JOIN channel c ON c.held_set = p.held_set
	WHERE p.repo = r.id AND p.tag = ?2
	ORDER BY c.generation DESC LIMIT 1
), (
	SELECT t.manifest FROM tag t WHERE t.repo = r.id AND t.name = ?2
))
JOIN manifest m ON m.id = b.id
WHERE r.name = ?1 AND b.live
-- name: MANIFEST_BY_DIGEST
SELECT b.size, m.media_type FROM blob b
JOIN manifest m ON m.id = b.id
JOIN repo r ON r.name = ?1
JOIN link l ON l.repo = r.id AND l.blob = b.id
WHERE b.digest = ?2 AND b.live
-- name: INDEX_OF
SELECT b.digest, b.size, m.media_type
FROM blob c
CROSS JOIN edge x ON x.blob = c.id AND x.role = 3
JOIN blob b ON b.id = x.manifest
JOIN manifest m ON m.id = b.id
JOIN repo r ON r.name = ?1
JOIN link l ON l.repo = r.id AND l.blob = b.id
WHERE c.digest = ?2 AND b.live
LIMIT 1
-- name: REFERRERS
SELECT b.digest, b.size, m.media_type, m.artifact_type
FROM blob s
CROSS JOIN manifest m ON m.subject = s.id
JOIN blob b ON b.id = m.id
JOIN repo r ON r.name = ?1
JOIN link l ON l.repo = r.id AND l.blob = m.id
WHERE s.digest = ?2 AND b.live
ORDER BY b.digest

-- write: TAGS_PUT
INSERT INTO tag (repo, name, manifest) SELECT c0, c1, c2 FROM rowset(?1) WHERE true
ON CONFLICT (repo, name) DO UPDATE SET manifest = excluded.manifest
WHERE manifest <> excluded.manifest
-- write: TAG_DROP
DELETE FROM tag WHERE repo = (SELECT id FROM repo WHERE name = ?1) AND name = ?2
-- name: TAG_PINNED
SELECT s.name, s.version, b.digest FROM repo r
CROSS JOIN pin p ON p.repo = r.id AND p.tag = ?2
JOIN channel c ON c.held_set = p.held_set
JOIN held_set s ON s.id = p.held_set
JOIN blob b ON b.id = p.manifest
WHERE r.name = ?1
ORDER BY c.generation DESC LIMIT 1
-- name: TAGS_AFTER
SELECT p.tag FROM repo r
JOIN pin p ON p.repo = r.id AND p.tag > ?2
JOIN channel c ON c.held_set = p.held_set
WHERE r.name = ?1
UNION
SELECT t.name FROM repo r
JOIN tag t ON t.repo = r.id AND t.name > ?2
WHERE r.name = ?1
ORDER BY 1 LIMIT ?3
-- name: REPOS_AFTER
SELECT name FROM repo WHERE name > ?1 ORDER BY name LIMIT ?2

-- write: SET_ADD
INSERT INTO held_set (blob, name, version, bytes, pins, accepted, missing, created, expires, previous)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id
-- write: SET_UPDATE
UPDATE held_set SET bytes = ?2, pins = ?3, missing = ?4, created = ?5, expires = ?6, previous = ?7 WHERE id = ?1
-- write: PINS_ADD
INSERT OR IGNORE INTO pin (repo, tag, held_set, manifest) SELECT c0, c1, ?2, c2 FROM rowset(?1)
-- name: PINS_OF
SELECT r.name, p.tag, b.digest FROM pin p
JOIN repo r ON r.id = p.repo
JOIN blob b ON b.id = p.manifest
WHERE p.held_set = ?1
-- write: SIGNATURE_ADD
INSERT OR IGNORE INTO signature (held_set, manifest, tag) VALUES (?1, ?2, ?3)
-- write: SIGNATURES_REPLACED
DELETE FROM signature WHERE held_set = ?1 AND manifest <> ?2 AND tag = ?3 AND tag <> ''
-- name: SIGNATURES
SELECT b.digest, m.media_type, g.tag
FROM blob sb
JOIN held_set s ON s.blob = sb.id
JOIN signature g ON g.held_set = s.id
JOIN blob b ON b.id = g.manifest
JOIN manifest m ON m.id = g.manifest
WHERE sb.digest = ?1
ORDER BY g.tag, b.digest
-- name: CLAIMS
WITH offer (repo, tag, entry) AS MATERIALIZED (
	SELECT c0, c1, c2 FROM rowset(?2)
),
-- What the set pins, and what the one in its place pins besides.
touched (repo, tag, entry, id) AS MATERIALIZED (
	SELECT offer.repo, offer.tag, offer.entry, r.id FROM offer LEFT JOIN repo r ON r.name = offer.repo
	UNION ALL
	SELECT r.name, p.tag, NULL, p.repo
	FROM channel c
	CROSS JOIN pin p ON p.held_set = c.held_set
	JOIN repo r ON r.id = p.repo
	WHERE c.name = ?1 AND p.tag <> '' AND (r.name, p.tag) NOT IN (SELECT repo, tag FROM offer)
)
SELECT touched.repo, touched.tag, c.generation, touched.entry, s.name, s.version, b.digest
FROM touched
CROSS JOIN pin p ON p.repo = touched.id AND p.tag = touched.tag
JOIN channel c ON c.held_set = p.held_set
JOIN held_set s ON s.id = p.held_set
JOIN blob b ON b.id = p.manifest
UNION ALL
SELECT touched.repo, touched.tag, 0, touched.entry, '', '', b.digest
FROM touched
CROSS JOIN tag t ON t.repo = touched.id AND t.name = touched.tag
JOIN blob b ON b.id = t.manifest
UNION ALL
SELECT repo, tag, -1, entry, '', '', NULL FROM touched
ORDER BY 1, 2, 3 DESC
-- name: GENERATION_LAST
SELECT g.id, g.number, g.activated, (SELECT group_concat(taken) FROM consent WHERE generation = g.id),
	g.held_set, coalesce((SELECT b.number FROM generation b WHERE b.id = g.back), 0)
FROM generation g WHERE g.channel = ?1 ORDER BY g.number DESC LIMIT 1
-- name: GENERATION_GET
SELECT g.id, g.number, g.activated, (SELECT group_concat(taken) FROM consent WHERE generation = g.id),
	g.held_set, coalesce((SELECT b.number FROM generation b WHERE b.id = g.back), 0)
FROM generation g WHERE g.channel = ?1 AND g.number = ?2
-- name: GENERATIONS
SELECT g.id, g.number, g.activated, (SELECT group_concat(taken) FROM consent WHERE generation = g.id),
	g.held_set, coalesce((SELECT b.number FROM generation b WHERE b.id = g.back), 0)
FROM generation g WHERE g.channel = ?1 AND g.held_set = ?2 ORDER BY g.number
-- write: GENERATION_ADD
INSERT OR IGNORE INTO generation (channel, number, held_set, activated, back)
VALUES (?1, ?2, ?3, ?4, CASE WHEN ?5 < 0
	THEN (SELECT max(b.id) FROM generation b WHERE b.channel = ?1 AND b.held_set <> ?3)
	ELSE (SELECT b.id FROM generation b WHERE b.channel = ?1 AND b.number = ?5) END)
RETURNING id
-- write: GENERATIONS_FORGET_CONSENTS
DELETE FROM consent WHERE generation IN (
	SELECT g.id FROM generation g WHERE g.channel = ?1 AND g.number <= ?2
	AND NOT EXISTS (SELECT 1 FROM generation r WHERE r.back = g.id)
	AND EXISTS (
		SELECT 1 FROM generation n
		WHERE n.channel = g.channel AND n.number > g.number AND n.held_set = g.held_set
	)
)
-- write: GENERATIONS_FORGET
DELETE FROM generation WHERE channel = ?1 AND number <= ?2
AND NOT EXISTS (SELECT 1 FROM generation r WHERE r.back = generation.id)
AND EXISTS (
	SELECT 1 FROM generation n
	WHERE n.channel = generation.channel AND n.number > generation.number
	AND n.held_set = generation.held_set
)
-- write: CHANNEL_SET
INSERT INTO channel (name, generation, held_set) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, held_set = excluded.held_set

-- write: CHANNEL_DROP
DELETE FROM channel WHERE name = ?1
-- write: SET_SPLICE
UPDATE generation SET back = (
	WITH RECURSIVE way (id, held_set, back) AS (
		SELECT b.id, b.held_set, b.back FROM generation b WHERE b.id = generation.back
		UNION ALL
		SELECT b.id, b.held_set, b.back FROM way CROSS JOIN generation b ON b.id = way.back
		WHERE way.held_set IN (?2, generation.held_set)
	)
	SELECT way.id FROM way WHERE way.held_set NOT IN (?2, generation.held_set)
)
WHERE back IN (SELECT g.id FROM generation g WHERE g.channel = ?1 AND g.held_set = ?2)
-- write: SET_DROP_CONSENTS
DELETE FROM consent
WHERE generation IN (SELECT g.id FROM generation g WHERE g.channel = ?1 AND g.held_set = ?2)
-- write: SET_DROP_GENERATIONS
DELETE FROM generation WHERE channel = ?1 AND held_set = ?2
-- write: SET_DROP_SIGNATURES
DELETE FROM signature WHERE held_set = ?1
-- write: SET_DROP_PINS
DELETE FROM pin WHERE held_set = ?1
-- write: SET_DROP
DELETE FROM held_set WHERE id = ?1
-- name: REMOVED_GET
SELECT version FROM removed WHERE name = ?1
-- name: ALL_REMOVED
SELECT name, version FROM removed ORDER BY name
-- write: REMOVED_PUT
INSERT INTO removed (name, version) VALUES (?1, ?2)
ON CONFLICT (name) DO UPDATE SET version = excluded.version
-- write: CONSENT_ADD
INSERT OR IGNORE INTO consent (generation, taken) VALUES (?1, ?2)

-- name: ALL_ACTIVE
SELECT s.id, s.name, s.version, b.digest, s.bytes, s.pins, s.accepted, c.generation, g.number, s.missing,
	(SELECT group_concat(taken) FROM consent WHERE generation = c.generation), s.created, s.expires,
	(SELECT max(a.activated) FROM generation a WHERE a.channel = s.name AND a.held_set = s.id),
	coalesce((
		SELECT p.held_set FROM channel k JOIN generation h ON h.id = k.generation
		JOIN generation p ON p.id = h.back WHERE k.name = s.name
	), (
		SELECT l.held_set FROM generation l
		WHERE l.channel = s.name AND NOT EXISTS (SELECT 1 FROM channel k WHERE k.name = s.name)
		ORDER BY l.number DESC LIMIT 1
	), 0) = s.id
FROM channel c
JOIN held_set s ON s.id = c.held_set
JOIN blob b ON b.id = s.blob
JOIN generation g ON g.id = c.generation
ORDER BY c.name
-- name: SET_BY_ID
SELECT s.id, s.name, s.version, b.digest, s.bytes, s.pins, s.accepted, c.generation, g.number, s.missing,
	(SELECT group_concat(taken) FROM consent WHERE generation = c.generation), s.created, s.expires,
	(SELECT max(a.activated) FROM generation a WHERE a.channel = s.name AND a.held_set = s.id),
	coalesce((
		SELECT p.held_set FROM channel k JOIN generation h ON h.id = k.generation
		JOIN generation p ON p.id = h.back WHERE k.name = s.name
	), (
		SELECT l.held_set FROM generation l
		WHERE l.channel = s.name AND NOT EXISTS (SELECT 1 FROM channel k WHERE k.name = s.name)
		ORDER BY l.number DESC LIMIT 1
	), 0) = s.id
FROM held_set s
JOIN blob b ON b.id = s.blob
LEFT JOIN channel c ON c.held_set = s.id
LEFT JOIN generation g ON g.id = c.generation
WHERE s.id = ?1
-- name: SET_BY_DIGEST
SELECT s.id, s.name, s.version, b.digest, s.bytes, s.pins, s.accepted, c.generation, g.number, s.missing,
	(SELECT group_concat(taken) FROM consent WHERE generation = c.generation), s.created, s.expires,
	(SELECT max(a.activated) FROM generation a WHERE a.channel = s.name AND a.held_set = s.id),
	coalesce((
		SELECT p.held_set FROM channel k JOIN generation h ON h.id = k.generation
		JOIN generation p ON p.id = h.back WHERE k.name = s.name
	), (
		SELECT l.held_set FROM generation l
		WHERE l.channel = s.name AND NOT EXISTS (SELECT 1 FROM channel k WHERE k.name = s.name)
		ORDER BY l.number DESC LIMIT 1
	), 0) = s.id
FROM blob b
JOIN held_set s ON s.blob = b.id
LEFT JOIN channel c ON c.held_set = s.id
LEFT JOIN generation g ON g.id = c.generation
WHERE b.digest = ?1
-- name: SET_BY_VERSION
SELECT s.id, s.name, s.version, b.digest, s.bytes, s.pins, s.accepted, c.generation, g.number, s.missing,
	(SELECT group_concat(taken) FROM consent WHERE generation = c.generation), s.created, s.expires,
	(SELECT max(a.activated) FROM generation a WHERE a.channel = s.name AND a.held_set = s.id),
	coalesce((
		SELECT p.held_set FROM channel k JOIN generation h ON h.id = k.generation
		JOIN generation p ON p.id = h.back WHERE k.name = s.name
	), (
		SELECT l.held_set FROM generation l
		WHERE l.channel = s.name AND NOT EXISTS (SELECT 1 FROM channel k WHERE k.name = s.name)
		ORDER BY l.number DESC LIMIT 1
	), 0) = s.id
FROM held_set s
JOIN blob b ON b.id = s.blob
LEFT JOIN channel c ON c.held_set = s.id
LEFT JOIN generation g ON g.id = c.generation
WHERE s.name = ?1 AND s.version = ?2
-- name: SET_BY_NAME
SELECT s.id, s.name, s.version, b.digest, s.bytes, s.pins, s.accepted, c.generation, g.number, s.missing,
	(SELECT group_concat(taken) FROM consent WHERE generation = c.generation), s.created, s.expires,
	(SELECT max(a.activated) FROM generation a WHERE a.channel = s.name AND a.held_set = s.id),
	coalesce((
		SELECT p.held_set FROM channel k JOIN generation h ON h.id = k.generation
		JOIN generation p ON p.id = h.back WHERE k.name = s.name
	), (
		SELECT l.held_set FROM generation l
		WHERE l.channel = s.name AND NOT EXISTS (SELECT 1 FROM channel k WHERE k.name = s.name)
		ORDER BY l.number DESC LIMIT 1
	), 0) = s.id
FROM held_set s
JOIN blob b ON b.id = s.blob
LEFT JOIN channel c ON c.held_set = s.id
LEFT JOIN generation g ON g.id = c.generation
WHERE s.name = ?1
ORDER BY s.id DESC
-- name: ALL_SETS_NEWEST
SELECT s.id, s.name, s.version, b.digest, s.bytes, s.pins, s.accepted, c.generation, g.number, s.missing,
	(SELECT group_concat(taken) FROM consent WHERE generation = c.generation), s.created, s.expires,
	(SELECT max(a.activated) FROM generation a WHERE a.channel = s.name AND a.held_set = s.id),
	coalesce((
		SELECT p.held_set FROM channel k JOIN generation h ON h.id = k.generation
		JOIN generation p ON p.id = h.back WHERE k.name = s.name
	), (
		SELECT l.held_set FROM generation l
		WHERE l.channel = s.name AND NOT EXISTS (SELECT 1 FROM channel k WHERE k.name = s.name)
		ORDER BY l.number DESC LIMIT 1
	), 0) = s.id
FROM held_set s
JOIN blob b ON b.id = s.blob
LEFT JOIN channel c ON c.held_set = s.id
LEFT JOIN generation g ON g.id = c.generation
ORDER BY s.id DESC LIMIT 1
-- name: ALL_SETS
SELECT s.id, s.name, s.version, b.digest, s.bytes, s.pins, s.accepted, c.generation, g.number, s.missing,
	(SELECT group_concat(taken) FROM consent WHERE generation = c.generation), s.created, s.expires,
	(SELECT max(a.activated) FROM generation a WHERE a.channel = s.name AND a.held_set = s.id),
	coalesce((
		SELECT p.held_set FROM channel k JOIN generation h ON h.id = k.generation
		JOIN generation p ON p.id = h.back WHERE k.name = s.name
	), (
		SELECT l.held_set FROM generation l
		WHERE l.channel = s.name AND NOT EXISTS (SELECT 1 FROM channel k WHERE k.name = s.name)
		ORDER BY l.number DESC LIMIT 1
	), 0) = s.id
FROM held_set s
JOIN blob b ON b.id = s.blob
LEFT JOIN channel c ON c.held_set = s.id
LEFT JOIN generation g ON g.id = c.generation
ORDER BY s.name, s.id DESC
-- name: ALL_HOSTS
SELECT DISTINCT substr(r.name, 1, instr(r.name, '/') - 1) AS host
FROM channel c
CROSS JOIN pin p ON p.held_set = c.held_set
JOIN repo r ON r.id = p.repo
WHERE host NOT IN ('moat.local', '')
ORDER BY host
-- name: ALL_TOTALS
SELECT (SELECT count(*) FROM blob WHERE live),
	(SELECT coalesce(sum(size), 0) FROM blob WHERE live),
	(SELECT count(*) FROM manifest),
	(SELECT count(*) FROM repo),
	(SELECT count(*) FROM held_set)

-- name: ALL_TAGS
SELECT count(*) FROM tag t JOIN repo r ON r.id = t.repo WHERE r.name NOT GLOB 'moat.local/set/*'

-- name: ALL_CONFLICTS
SELECT r.name, p.tag, os.name, os.version, ob.digest, s.name, s.version, b.digest
FROM channel c
CROSS JOIN pin p ON p.held_set = c.held_set AND p.tag <> ''
CROSS JOIN pin o ON o.repo = p.repo AND o.tag = p.tag AND o.manifest <> p.manifest
JOIN channel d ON d.held_set = o.held_set AND d.generation > c.generation
JOIN repo r ON r.id = p.repo
JOIN held_set s ON s.id = p.held_set
JOIN blob b ON b.id = p.manifest
JOIN held_set os ON os.id = o.held_set
JOIN blob ob ON ob.id = o.manifest
WHERE NOT EXISTS (
	SELECT 1 FROM pin x JOIN channel y ON y.held_set = x.held_set
	WHERE x.repo = o.repo AND x.tag = o.tag AND y.generation > d.generation
)
ORDER BY r.name, p.tag, c.generation DESC

-- write: INDEX_DIRTY
UPDATE names SET changed = changed + 1
-- write: INDEX_DIRTY_LINK
UPDATE names SET changed = changed + 1
WHERE EXISTS (SELECT 1 FROM manifest WHERE id = ?2) OR EXISTS (
	SELECT 1 FROM edge e
	CROSS JOIN link l ON l.repo = ?1 AND l.blob = e.manifest
	WHERE e.blob = ?2
)
-- write: INDEX_DIRTY_LIVE
UPDATE names SET changed = changed + 1
WHERE EXISTS (
	SELECT 1 FROM rowset(?1) i
	CROSS JOIN blob b ON b.digest = i.c0 AND b.live <> ?2
	JOIN manifest m ON m.id = b.id
)
-- name: INDEX_STATE
SELECT changed, written FROM names
-- write: INDEX_MADE
UPDATE names SET changed = max(changed, ?1) + 1, written = max(?1, 1)
-- write: INDEX_WRITTEN
UPDATE names SET written = ?1 WHERE written < ?1
-- name: ALL_NAMES
WITH
-- Each manifest in each repository that may have a line of its own or decides about another's, looked at once,
-- however many name it: does a set that pins in the repository name it (then it is kept: accepting the set puts
-- it), does it have children (then nests), and what of that which it names is not linked (0 nothing, 1 only what
-- is foreign, 2, or 2 when that is not known, as its bytes are not held). Images of sets mostly do not matter.
here (repo, manifest, kept, nests, lacks) AS MATERIALIZED (
	SELECT n.repo, n.blob, n.kept, EXISTS (SELECT 1 FROM edge e WHERE e.manifest = n.blob AND e.role = 3),
		CASE WHEN NOT (SELECT b.live FROM blob b WHERE b.id = n.blob) THEN 2 ELSE coalesce((
			SELECT max(CASE WHEN e.role = 4 THEN 1 ELSE 2 END) FROM edge e
			WHERE e.manifest = n.blob
			AND NOT EXISTS (SELECT 1 FROM link k WHERE k.repo = n.repo AND k.blob = e.blob)
		), 0) END
	FROM (
		SELECT l.repo, l.blob, EXISTS (
			SELECT 1 FROM edge e
			CROSS JOIN held_set s ON s.blob = e.manifest
			WHERE e.blob = l.blob AND e.role = 3
			AND EXISTS (SELECT 1 FROM pin p WHERE p.held_set = s.id AND p.repo = l.repo)
		) AS kept
		FROM manifest m
		CROSS JOIN link l ON l.blob = m.id
	) AS n
	WHERE NOT n.kept
	OR EXISTS (SELECT 1 FROM edge e WHERE e.manifest = n.blob AND e.role = 3)
	OR EXISTS (SELECT 1 FROM tag t WHERE t.manifest = n.blob AND t.repo = n.repo)
	OR EXISTS (
		SELECT 1 FROM edge e CROSS JOIN link k ON k.repo = n.repo AND k.blob = e.manifest
		WHERE e.blob = n.blob
	)
),
-- Other indexes of which all children, and all that these name, are linked: they tell of their children.
-- (A + keeps a list from being walked for each row instead of being looked into.)
telling (repo, manifest) AS MATERIALIZED (
	SELECT h.repo, h.manifest FROM here h
	WHERE h.nests AND h.lacks = 0 AND NOT h.kept
	AND NOT EXISTS (
		SELECT 1 FROM edge e WHERE e.manifest = h.manifest AND (h.repo, +e.blob) IN (
			SELECT repo, manifest FROM here WHERE nests OR lacks > 0
		)
	)
)
SELECT r.name, x.tag, b.digest, b.size, m.media_type, m.artifact_type, x.rank > 0,
	CASE WHEN x.rank > 0 OR (x.repo, x.manifest) IN (SELECT repo, manifest FROM telling) THEN 0
	WHEN (x.repo, x.manifest) IN (SELECT repo, manifest FROM here WHERE nests OR lacks = 2) THEN 2
	ELSE (x.repo, x.manifest) IN (SELECT repo, manifest FROM here WHERE lacks = 1) END
FROM (
	SELECT p.repo AS repo, p.tag AS tag, p.manifest AS manifest, c.generation AS rank
	FROM channel c CROSS JOIN pin p ON p.held_set = c.held_set
	UNION ALL
	SELECT t.repo, t.name, t.manifest, 0 FROM tag t
	UNION ALL
	SELECT h.repo, '', h.manifest, 0 FROM here h
	WHERE NOT h.kept
	AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest = h.manifest AND t.repo = h.repo)
	AND NOT EXISTS (
		SELECT 1 FROM edge e WHERE e.blob = h.manifest AND e.role = 3 AND (
			(h.repo, +e.manifest) IN (SELECT repo, manifest FROM here WHERE kept)
			OR (h.repo, +e.manifest) IN (SELECT repo, manifest FROM telling)
		)
	)
) AS x
JOIN repo r ON r.id = x.repo
JOIN manifest m ON m.id = x.manifest
JOIN blob b ON b.id = x.manifest
WHERE r.name NOT GLOB 'moat.local/set/*'
ORDER BY r.name, x.tag, x.rank DESC, b.digest

-- name: ALL_BROKEN_IMAGES
SELECT 'S3', 'manifest ' || lower(hex(substr(mb.digest, 2))) || ' needs '
	|| lower(hex(substr(b.digest, 2))) || ', which is not held'
FROM edge e
JOIN manifest m ON m.id = e.manifest
JOIN blob b ON b.id = e.blob
JOIN blob mb ON mb.id = e.manifest
WHERE e.role IN (1, 2) AND NOT b.live AND m.whole
UNION ALL
SELECT 'S3', 'manifest ' || lower(hex(substr(b.digest, 2))) || ' is not held itself'
FROM manifest m JOIN blob b ON b.id = m.id WHERE NOT b.live
-- name: ALL_BROKEN_NAMES
SELECT 'S4', 'channel ' || c.name || ' and its generation ' || g.number || ' name different sets'
FROM channel c JOIN generation g ON g.id = c.generation
WHERE g.held_set <> c.held_set OR g.channel <> c.name
UNION ALL
SELECT 'S4', 'tag ' || r.name || ':' || t.name || ' names a manifest that its repository lacks'
FROM tag t JOIN repo r ON r.id = t.repo
WHERE NOT EXISTS (SELECT 1 FROM link l WHERE l.repo = t.repo AND l.blob = t.manifest)
UNION ALL
SELECT 'S4', 'pin ' || r.name || ':' || p.tag || ' names a manifest that its repository lacks'
FROM pin p JOIN repo r ON r.id = p.repo
WHERE NOT EXISTS (SELECT 1 FROM link l WHERE l.repo = p.repo AND l.blob = p.manifest)
-- name: ALL_BROKEN_COUNTS
SELECT 'S6', 'repository ' || name || ' counts ' || bytes || ' bytes, what it links has ' || linked FROM (
	SELECT r.name, r.bytes, (
		SELECT coalesce(sum(b.size), 0) FROM link l JOIN blob b ON b.id = l.blob WHERE l.repo = r.id
	) AS linked FROM repo r)
WHERE bytes <> linked
-- name: ALL_BROKEN_SETS
SELECT 'S5', 'set ' || s.name || ':' || s.version || ' is retained, its index is not held'
FROM held_set s JOIN blob b ON b.id = s.blob WHERE NOT b.live
UNION ALL
SELECT 'S5', 'set ' || s.name || ':' || s.version || ' was not whole when the database was made again, '
	|| s.missing || ' of its blobs missing or bad: import its medium again'
FROM held_set s WHERE s.missing
-- name: ALL_BROKEN_PAGES
SELECT 'S2', 'database: ' || quick_check FROM pragma_quick_check WHERE quick_check <> 'ok'

-- name: ALL_GC_BLOBS
SELECT b.id, b.size, b.live, b.touched, m.id IS NOT NULL FROM blob b LEFT JOIN manifest m ON m.id = b.id
-- name: ALL_GC_EDGES
SELECT manifest, blob FROM edge
UNION ALL
SELECT subject, id FROM manifest WHERE subject IS NOT NULL
-- name: ALL_GC_ROOTS
SELECT s.id, s.blob FROM held_set s
UNION ALL
SELECT held_set, manifest FROM pin
UNION ALL
SELECT held_set, manifest FROM signature
UNION ALL
SELECT 0, t.manifest FROM tag t JOIN repo r ON r.id = t.repo WHERE r.name NOT GLOB 'moat.local/set/*'
-- name: GC_DIGESTS
SELECT i.rowid, b.digest FROM rowset(?1) i CROSS JOIN blob b ON b.id = i.c0
-- name: GC_UNUSED
SELECT b.id FROM rowset(?1) i
CROSS JOIN blob b ON b.id = i.c0
WHERE b.touched <= ?2 AND b.condemned = 0
AND NOT EXISTS (SELECT 1 FROM edge e WHERE e.blob = b.id)
AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest = b.id)
AND NOT EXISTS (SELECT 1 FROM pin p WHERE p.manifest = b.id)
AND NOT EXISTS (SELECT 1 FROM held_set s WHERE s.blob = b.id)
AND NOT EXISTS (SELECT 1 FROM signature g WHERE g.manifest = b.id)
AND NOT EXISTS (SELECT 1 FROM manifest m CROSS JOIN manifest s ON s.id = m.subject WHERE m.id = b.id)
-- name: GC_UNUSED_TOGETHER
WITH RECURSIVE spared (id) AS (
	SELECT b.id FROM rowset(?1) i
	CROSS JOIN blob b ON b.id = i.c0
	WHERE b.touched > ?2 OR b.condemned <> 0
	OR EXISTS (SELECT 1 FROM edge e WHERE e.blob = b.id AND e.manifest NOT IN (SELECT c0 FROM rowset(?1)))
	OR EXISTS (SELECT 1 FROM tag t WHERE t.manifest = b.id)
	OR EXISTS (SELECT 1 FROM pin p WHERE p.manifest = b.id)
	OR EXISTS (SELECT 1 FROM held_set s WHERE s.blob = b.id)
	OR EXISTS (SELECT 1 FROM signature g WHERE g.manifest = b.id)
	OR EXISTS (
		SELECT 1 FROM manifest m CROSS JOIN manifest s ON s.id = m.subject
		WHERE m.id = b.id AND s.id NOT IN (SELECT c0 FROM rowset(?1))
	)
	UNION
	SELECT e.blob FROM spared CROSS JOIN edge e ON e.manifest = spared.id
	UNION
	SELECT m.id FROM spared CROSS JOIN manifest m ON m.subject = spared.id
)
SELECT i.c0 FROM rowset(?1) i WHERE i.c0 NOT IN (SELECT id FROM spared)
-- write: GC_DROP_EDGES
DELETE FROM edge WHERE manifest IN (SELECT c0 FROM rowset(?1))
-- write: GC_DROP_LINKS
DELETE FROM link WHERE (repo, blob) IN (
	SELECT l.repo, l.blob FROM rowset(?1) i CROSS JOIN link l ON l.blob = i.c0
)
-- write: GC_DROP_MANIFESTS
DELETE FROM manifest WHERE id IN (SELECT c0 FROM rowset(?1))
-- write: GC_CONDEMN
UPDATE blob SET live = 0, condemned = ?2, checked = 0, stamp = 0 WHERE id IN (SELECT c0 FROM rowset(?1))
-- name: GC_CONDEMNED
SELECT id, digest, size, condemned FROM blob WHERE condemned > 0 ORDER BY condemned LIMIT ?1
-- name: GC_CONDEMNED_TOTAL
SELECT count(*), coalesce(sum(size), 0) FROM blob WHERE condemned > 0
-- write: GC_GONE
DELETE FROM blob WHERE id IN (SELECT c0 FROM rowset(?1))
AND NOT EXISTS (SELECT 1 FROM edge e WHERE e.blob = blob.id)
AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.subject = blob.id OR m.id = blob.id)
AND NOT EXISTS (SELECT 1 FROM link l WHERE l.blob = blob.id)
-- write: GC_ABSENT
UPDATE blob SET condemned = 0 WHERE id IN (SELECT c0 FROM rowset(?1))
-- write: ALL_GC_REPOS
DELETE FROM repo
WHERE NOT EXISTS (SELECT 1 FROM link l WHERE l.repo = repo.id)
AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.repo = repo.id)
AND NOT EXISTS (SELECT 1 FROM pin p WHERE p.repo = repo.id)
