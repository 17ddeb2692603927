/*
 * Every statement: it prepares against the schema, and its plan does not read a whole table that
 * grows with the store, unless its name says so (ALL_). The broken rows that store_check() looks for
 * are made here by hand, because nothing in the store can.
 */
#include "tests/support/cm.h"

#include <stdio.h>
#include <string.h>
#include <sqlite3.h>

#include "storage/db/sqlite_private.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

static sqlite3 *open_db(const struct sandbox *sb)
{
	sqlite3 *conn = NULL;

	assert_int_equal(sqlite3_open(sandbox_path(sb, "s/meta/moat.db"), &conn), SQLITE_OK);
	assert_int_equal(sqlite_rowset_add(conn), SQLITE_OK);
	return conn;
}

/* Tables of one row, or of a row a channel; the tags of a set that is compared; a step of the way back. */
static bool small(const char *detail)
{
	static const char *const allowed[] = { "SCAN names", "SCAN c", "SCAN channel",
		"SCAN CONSTANT ROW", "SCAN up", "SCAN spared", "SCAN part", "SCAN offer",
		"SCAN touched", "SCAN rowset", "SCAN i VIRTUAL TABLE", "SCAN way" };

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		size_t len = strlen(allowed[i]);

		if (strncmp(detail, allowed[i], len) == 0 &&
			(detail[len] == ' ' || detail[len] == '\0'))
			return true;
	}
	return false;
}

static void check_plan(sqlite3 *conn, enum query_name name)
{
	const char *label;
	AUTO(mem_free) char *sql =
			mem_printf("EXPLAIN QUERY PLAN %s", sqlite_text_of(name, &label));
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", label, sqlite3_errmsg(conn));
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *detail = (const char *)sqlite3_column_text(stmt, 3);

		if (strncmp(detail, "SCAN", 4) == 0 && strncmp(label, "ALL_", 4) != 0 &&
			!small(detail))
			fail_msg("%s: %s", label, detail);
	}
	sqlite3_finalize(stmt);
}

static void queries__read_no_whole_table(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	sqlite3 *conn = open_db(*state);

	for (int i = 0; i < Q_COUNT; i++) {
		const char *label, *sql = sqlite_text_of((enum query_name)i, &label);

		if (strncmp(sql, "PRAGMA", 6) != 0)
			check_plan(conn, (enum query_name)i);
		assert_null(strchr(sql, ';'));
	}
	sqlite3_close(conn);
}

/* Layers 1..n, images n+1..2n of all of them, indexes 2n+1..3n of all of these, and 3n+1..4n of those;
 * n tags on each of the first image and index. */
static const char names_of_many[] =
	"INSERT INTO repo (id, name) VALUES (1, 'a/b');"
	"WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 4 * :n) "
	"INSERT INTO blob (id, digest, size, live) SELECT n, CAST(format('%033d', n) AS BLOB), 1, "
	"1 FROM i;"
	"INSERT INTO manifest SELECT id, 'a/b', '', NULL, 1 FROM blob WHERE id > :n;"
	"INSERT INTO edge SELECT m.id, b.id, CASE WHEN b.id > :n THEN 3 ELSE 2 END "
	"FROM manifest m JOIN blob b ON (b.id - 1) / :n = (m.id - 1) / :n - 1;"
	"INSERT INTO link SELECT 1, id FROM blob WHERE id <> :lost;"
	"INSERT INTO tag SELECT 1, 'i' || id, :n + 1 FROM blob WHERE id <= :n;"
	"INSERT INTO tag SELECT 1, 'x' || id, 2 * :n + 1 FROM blob WHERE id <= :n";

static void run_with(sqlite3 *conn, const char *sql, int n, int lost)
{
	while (*sql) {
		sqlite3_stmt *stmt = NULL;
		int at;

		if (sqlite3_prepare_v2(conn, sql, -1, &stmt, &sql) != SQLITE_OK)
			fail_msg("%s", sqlite3_errmsg(conn));
		at = sqlite3_bind_parameter_index(stmt, ":n");
		if (at && sqlite3_bind_int(stmt, at, n) != SQLITE_OK)
			fail_msg(":n");
		at = sqlite3_bind_parameter_index(stmt, ":lost");
		if (at && sqlite3_bind_int(stmt, at, lost) != SQLITE_OK)
			fail_msg(":lost");
		assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
		sqlite3_finalize(stmt);
	}
}

static int count_of(sqlite3 *conn, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int count;

	assert_int_equal(sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	count = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return count;
}

/* Steps of SQLite's machine for each row that the list is made of. */
static int cost_of_names(sqlite3 *conn)
{
	const char *label, *sql = sqlite_text_of(Q_ALL_NAMES, &label);
	sqlite3_stmt *stmt = NULL;
	int steps;

	assert_int_equal(sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		;
	steps = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
	sqlite3_finalize(stmt);
	return steps / count_of(conn, "SELECT (SELECT count(*) FROM edge) + "
				      "(SELECT count(*) FROM link) + (SELECT count(*) FROM tag)");
}

/* What a client can push is listed again and again, so no shape of it may cost more than its size. */
static void queries__list_names_at_a_cost_by_size(void **state)
{
	static const struct {
		const char *name;
		int lost; /* which n-th is not linked */
	} cases[] = { { "all linked", -1 }, { "no layer", 0 }, { "no image", 1 },
		{ "no index", 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int cost[2];

		print_message("%s\n", cases[i].name);
		for (int k = 0; k < 2; k++) {
			AUTO(store_close)
			struct store *s = sandbox_store(*state, "s", STORE_WRITE);
			sqlite3 *conn = open_db(*state);
			int n = k ? 80 : 20;

			run_with(conn, names_of_many, n, cases[i].lost * n + 2);
			cost[k] = cost_of_names(conn);
			sqlite3_close(conn);
			store_close(&s);
			sandbox_remove(sandbox_path(*state, "s"));
		}
		print_message(
			"%d steps a row, of a store 16 times as large %d\n", cost[0], cost[1]);
		assert_true(cost[1] <= cost[0] * 3 / 2);
	}
}

static void schema__is_wal_and_full(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	sqlite3 *conn = open_db(*state);
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_prepare_v2(conn,
				 "SELECT (SELECT journal_mode FROM pragma_journal_mode), "
				 "(SELECT user_version FROM pragma_user_version)",
				 -1, &stmt, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "wal");
	assert_int_equal(sqlite3_column_int(stmt, 1), 5);
	sqlite3_finalize(stmt);
	sqlite3_close(conn);
}

/* What a store of an older version looked like, as far as the next one changes it. */
static const char to_4[] =
	"DROP TRIGGER link_counted; DROP TRIGGER link_uncounted; DROP TRIGGER blob_resized;"
	"ALTER TABLE repo DROP COLUMN bytes; PRAGMA user_version = 4";
static const char to_3[] =
	"DROP INDEX blob_condemned; DROP INDEX pin_manifest; DROP INDEX signature_manifest;"
	"DROP INDEX generation_back; ALTER TABLE generation DROP COLUMN back;"
	"ALTER TABLE held_set DROP COLUMN created; ALTER TABLE held_set DROP COLUMN expires;"
	"ALTER TABLE held_set DROP COLUMN previous; DROP TABLE removed;"
	"ALTER TABLE blob DROP COLUMN touched; ALTER TABLE blob DROP COLUMN condemned;"
	"PRAGMA user_version = 3";
static const char to_2[] =
	"ALTER TABLE held_set DROP COLUMN missing; DROP TABLE consent;"
	"DROP INDEX blob_checked;"
	"ALTER TABLE blob DROP COLUMN checked; ALTER TABLE blob DROP COLUMN stamp;"
	"PRAGMA user_version = 2";
static const char to_1[] = "ALTER TABLE manifest DROP COLUMN whole;"
			   "DROP INDEX edge_blob; DROP INDEX link_blob; DROP INDEX tag_manifest;"
			   "CREATE INDEX edge_child ON edge (blob) WHERE role = 3;"
			   "PRAGMA user_version = 1";

static void downgrade(sqlite3 *conn, int version)
{
	assert_int_equal(sqlite3_exec(conn, to_4, NULL, NULL, NULL), SQLITE_OK);
	if (version < 4)
		assert_int_equal(sqlite3_exec(conn, to_3, NULL, NULL, NULL), SQLITE_OK);
	if (version < 3)
		assert_int_equal(sqlite3_exec(conn, to_2, NULL, NULL, NULL), SQLITE_OK);
	if (version < 2)
		assert_int_equal(sqlite3_exec(conn, to_1, NULL, NULL, NULL), SQLITE_OK);
}

static int user_version(sqlite3 *conn)
{
	sqlite3_stmt *stmt = NULL;
	int version;

	assert_int_equal(
		sqlite3_prepare_v2(conn, "PRAGMA user_version", -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	version = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return version;
}

static char *schema_of(sqlite3 *conn)
{
	struct buf out = BUF_INIT;
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(
		sqlite3_prepare_v2(conn,
			"SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' "
			"UNION ALL SELECT s.name || '.' || c.name FROM sqlite_schema s "
			"JOIN pragma_table_info(s.name) c WHERE s.type = 'table' ORDER BY 1",
			-1, &stmt, NULL),
		SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		buf_printf(&out, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return buf_detach(&out);
}

static int count_conflict(void *ctx, const struct tag_conflict *c, struct err *e)
{
	(void)e;
	assert_string_equal(c->served.set, "tools");
	assert_string_equal(c->other.set, "platform");
	++*(int *)ctx;
	return 0;
}

/* Two sets on one tag, as older versions let them be: the one activated last goes on being served. */
static void assert_conflict(struct store *s, const struct digest *tools)
{
	struct manifest_info info;
	struct set_info set;
	struct err e = ERR_INIT;
	int conflicts = 0;

	assert_int_equal(list_conflicts(s, count_conflict, &conflicts, &e), 0);
	assert_int_equal(conflicts, 1);
	assert_int_equal(manifest_by_tag(s, "docker.io/a/b", "2", &info, &e), 1);
	assert_true(digest_eq(&info.digest, tools));
	assert_int_equal(set_find(s, "tools", &set, &e), 1);
	assert_string_equal(set.takes, "");
}

/* The store answers as it should, whatever its version and whoever reads it. */
static void assert_answers(
	struct store *s, const struct digest *tagged, const struct digest *unnamed)
{
	struct manifest_info info;
	struct check_report report;
	struct set_info set;
	struct err e = ERR_INIT;

	assert_int_equal(manifest_by_tag(s, "docker.io/a/b", "1", &info, &e), 1);
	assert_true(digest_eq(&info.digest, tagged));
	assert_int_equal(manifest_by_digest(s, "docker.io/a/b", unnamed, &info, &e), 1);
	assert_int_equal(set_find(s, "platform", &set, &e), 1);
	assert_true(set.active);
	assert_string_equal(set.takes, "");
	assert_conflict(s, unnamed);
	assert_ok(sandbox_check(s, true, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
}

static void upgrade_from(const struct sandbox *sb, int version)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, "s", STORE_WRITE);
	AUTO(store_close) struct store *old = NULL;
	struct digest d = image_add(s, "docker.io/a/b", "1", "old", 2);
	struct digest unnamed = image_add(s, "docker.io/a/b", NULL, "unnamed", 1);
	struct image_pin pin = { .repo = "docker.io/a/b", .tag = "2", .digest = d };
	struct image_pin other = { .repo = "docker.io/a/b", .tag = "2", .digest = unnamed };
	struct digest set = image_set(s, "platform", "1", &pin, 1);
	struct digest tools = image_set(s, "tools", "1", &other, 1);
	static const char *const take[] = { "platform" };
	struct set_offer second = {
		.digest = &tools, .activate = true, .take = take, .take_count = 1
	};
	sqlite3 *conn = open_db(sb);
	AUTO(mem_free) char *before = schema_of(conn), *after = NULL;
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_ok(set_accept(s, &second, NULL, &e));
	/* An older version asked for no consent. */
	assert_int_equal(
		sqlite3_exec(conn, "DELETE FROM consent; UPDATE names SET changed = changed + 1",
			NULL, NULL, NULL),
		SQLITE_OK);
	assert_ok(sandbox_flush_index(s, &e));
	store_close(&s);
	downgrade(conn, version);
	/* A reader serves it as it is ... */
	assert_ok(store_open(&old, sandbox_path(sb, "s"), STORE_READ, &e));
	assert_answers(old, &d, &unnamed);
	assert_int_equal(user_version(conn), version);
	/* ... a writer brings it up to date ... */
	assert_ok(store_open(&s, sandbox_path(sb, "s"), STORE_WRITE, &e));
	assert_int_equal(user_version(conn), 5);
	after = schema_of(conn);
	assert_string_equal(before, after);
	sqlite3_close(conn);
	/* ... under that reader, and all is there. */
	assert_answers(s, &d, &unnamed);
	assert_answers(old, &d, &unnamed);
}

static void db_open__brings_an_older_schema_up_to_date(void **state)
{
	for (int version = 1; version < 5; version++) {
		upgrade_from(*state, version);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

static int64_t number(sqlite3 *conn, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static void run_sql(sqlite3 *conn, const char *sql)
{
	if (sqlite3_exec(conn, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(conn));
}

static struct digest dated(
	struct store *s, const char *name, const char *created, const char *expires)
{
	struct image_want want = { .seed = name, .layers = 1 };
	struct image_pin pin = {
		.repo = "docker.io/a/b", .tag = name, .digest = image_make(s, NULL, &want)
	};

	return image_set_dated(s, name, "1", &pin, 1, created, expires);
}

static struct digest accept_dated(
	struct store *s, const char *name, const char *created, const char *expires)
{
	struct digest d = dated(s, name, created, expires);
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &d }, NULL, &e));
	return d;
}

/* One that says 1970 is not read again by each writer. */
static void sets__say_once_when_they_were_made(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	sqlite3 *conn = open_db(*state);
	struct set_info info;
	struct err e = ERR_INIT;
	int64_t changed;

	accept_dated(s, "a", "1970-01-01T00:00:00Z", "");
	accept_dated(s, "b", "2026-11-23T00:00:00Z", "2999-01-03T00:00:00Z");
	store_close(&s);
	assert_int_equal(number(conn, "SELECT created FROM held_set WHERE name = 'a'"), -1);
	run_sql(conn, "UPDATE held_set SET created = 0, expires = 0");
	s = sandbox_store(*state, "s", STORE_WRITE);
	store_close(&s);
	assert_int_equal(number(conn, "SELECT created FROM held_set WHERE name = 'a'"), -1);
	assert_int_equal(
		number(conn, "SELECT expires FROM held_set WHERE name = 'b'"), 32472316800);
	changed = number(conn, "SELECT changed FROM names");
	s = sandbox_store(*state, "s", STORE_WRITE);
	assert_int_equal(number(conn, "SELECT changed FROM names"), changed);
	assert_int_equal(set_find(s, "a", &info, &e), 1);
	assert_int_equal(info.created, 0);
	sqlite3_close(conn);
}

/* While the first is learnt, somebody removes the second one, and another set gets its row: here by a trigger. */
static void sets__say_nothing_of_another_one_that_got_their_row(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	sqlite3 *conn = open_db(*state);
	char hex[DIGEST_HEX_SIZE];
	AUTO(mem_free) char *trigger = NULL;
	struct digest c;

	accept_dated(s, "a", "2026-11-23T00:00:00Z", "");
	accept_dated(s, "b", "2026-11-23T00:00:00Z", "2999-01-03T00:00:00Z");
	c = dated(s, "c", "2026-11-24T00:00:00Z", "");
	store_close(&s);
	run_sql(conn, "UPDATE held_set SET created = 0, expires = 0");
	trigger = mem_printf("CREATE TRIGGER moved AFTER UPDATE OF created ON held_set "
			     "WHEN NEW.name = 'a' BEGIN UPDATE held_set SET name = 'c', "
			     "blob = (SELECT id FROM blob WHERE digest = x'01%s') "
			     "WHERE name = 'b'; END",
		digest_hex(&c, hex));
	run_sql(conn, trigger);
	s = sandbox_store(*state, "s", STORE_WRITE);
	store_close(&s);
	assert_int_equal(number(conn, "SELECT created FROM held_set WHERE name = 'a'"), 1795392000);
	assert_int_equal(number(conn, "SELECT created FROM held_set WHERE name = 'c'"), 0);
	assert_int_equal(number(conn, "SELECT expires FROM held_set WHERE name = 'c'"), 0);
	run_sql(conn, "DROP TRIGGER moved");
	s = sandbox_store(*state, "s", STORE_WRITE);
	assert_int_equal(number(conn, "SELECT created FROM held_set WHERE name = 'c'"), 1795478400);
	assert_int_equal(number(conn, "SELECT expires FROM held_set WHERE name = 'c'"), 0);
	sqlite3_close(conn);
}

/* Older ones took a type that was announced. Whoever puts the bytes again, a set or anybody, gets theirs,
 * and "whole" is not believed of the other one. */
static void manifests__get_the_type_of_their_bytes(void **state)
{
	static const char damage[] = "DELETE FROM edge; UPDATE manifest SET whole = 1, "
				     "media_type = 'application/vnd.oci.artifact.manifest.v1+json'";

	for (int by_set = 0; by_set < 2; by_set++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		struct digest d = image_add(s, "mallory/x", NULL, "n", 2), set;
		struct image_pin pin = { .repo = "docker.io/a/b", .tag = "1", .digest = d };
		sqlite3 *conn = open_db(*state);
		struct manifest_info info;
		struct check_report report;
		struct err e = ERR_INIT;

		set = image_set(s, "platform", "1", &pin, 1);
		assert_int_equal(sqlite3_exec(conn, damage, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(conn);
		if (by_set)
			assert_ok(set_accept(s,
				&(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
		else
			assert_ok(image_put(s, pin.repo, "1", &d, MEDIA_OCI_MANIFEST, &e));
		assert_int_equal(manifest_by_tag(s, pin.repo, "1", &info, &e), 1);
		assert_string_equal(info.media_type, MEDIA_OCI_MANIFEST);
		store_close(&s);
		assert_ok(sandbox_rebuild(*state, "s", &e));
		s = sandbox_store(*state, "s", STORE_WRITE);
		assert_int_equal(manifest_by_tag(s, pin.repo, "1", &info, &e), 1);
		assert_string_equal(info.media_type, MEDIA_OCI_MANIFEST);
		assert_ok(sandbox_check(s, true, NULL, NULL, &report, &e));
		assert_int_equal(report.problems, 0);
		store_close(&s);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

static void db_open__refuses_a_newer_schema(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	sqlite3 *conn = open_db(*state);
	struct err e = ERR_INIT;

	assert_int_equal(
		sqlite3_exec(conn, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(conn);
	store_close(&s);
	assert_err(store_open(&s, sandbox_path(*state, "s"), STORE_READ, &e), ERR_UNSUPPORTED,
		"schema 99");
	assert_err(store_open(&s, sandbox_path(*state, "s"), STORE_WRITE, &e), ERR_UNSUPPORTED,
		"newer moat");
}

static void keep_problem(void *ctx, const char *invariant, const char *text)
{
	buf_printf(ctx, "%s: %s\n", invariant, text);
}

static void store_check__finds_broken_rows(void **state)
{
	static const struct {
		const char *name, *damage, *want;
	} cases[] = {
		{ "layer gone",
			"UPDATE blob SET live = 0 WHERE id = (SELECT blob FROM edge "
			"WHERE role = 2 LIMIT 1)",
			"S3: manifest " },
		{ "manifest gone", "UPDATE blob SET live = 0 WHERE id IN (SELECT id FROM manifest)",
			"is not held itself" },
		{ "tag without link", "DELETE FROM link WHERE blob IN (SELECT manifest FROM tag)",
			"S4: tag docker.io/a/b:1 names a manifest that its repository lacks" },
		{ "pin without link", "DELETE FROM link WHERE blob IN (SELECT manifest FROM pin)",
			"S4: pin docker.io/a/b:2 names a manifest that its repository lacks" },
		{ "channel", "UPDATE generation SET channel = 'other'",
			"S4: channel platform and its generation 1 name different sets" },
		{ "set index gone",
			"UPDATE blob SET live = 0 WHERE id IN "
			"(SELECT blob FROM held_set)",
			"S5: set platform:1 is retained" },
		{ "size", "UPDATE blob SET size = size + 1 WHERE id = 1", "S2: blob sha256:" },
		{ "count", "UPDATE repo SET bytes = bytes - 1 WHERE name = 'docker.io/a/b'",
			"S6: repository docker.io/a/b counts " },
		{ "tag moved behind our back", "UPDATE tag SET name = 'x'",
			"S6: index.json is not what the sets and tags say" },
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		AUTO(buf_release) struct buf got = BUF_INIT;
		struct image_want want = { .seed = "n", .layers = 1 };
		struct image_pin pin = { .repo = "docker.io/a/b", .tag = "2" };
		struct check_report report;
		struct digest set;
		sqlite3 *conn = open_db(*state);

		print_message("%s\n", cases[i].name);
		image_add(s, "docker.io/a/b", "1", "put", 1);
		pin.digest = image_make(s, NULL, &want);
		set = image_set(s, "platform", "1", &pin, 1);
		assert_ok(set_accept(
			s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
		assert_ok(sandbox_check(s, true, keep_problem, &got, &report, &e));
		assert_string_equal(got.data, "");
		assert_int_equal(sqlite3_exec(conn, cases[i].damage, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(conn);
		assert_ok(sandbox_check(s, false, keep_problem, &got, &report, &e));
		assert_true(report.problems > 0);
		if (!strstr(got.data, cases[i].want))
			fail_msg("%s: found only\n%s", cases[i].name, got.data);
		store_close(&s);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(queries__read_no_whole_table),
		T(queries__list_names_at_a_cost_by_size),
		T(schema__is_wal_and_full),
		T(db_open__brings_an_older_schema_up_to_date),
		T(sets__say_once_when_they_were_made),
		T(sets__say_nothing_of_another_one_that_got_their_row),
		T(manifests__get_the_type_of_their_bytes),
		T(db_open__refuses_a_newer_schema),
		T(store_check__finds_broken_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
