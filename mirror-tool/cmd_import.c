/* `moat import`: a medium into the store, verified while it is copied. */
#include "mirror-tool/media/import.h"
#include "mirror-tool/tool.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

struct import_options {
	struct texts keys;
	bool check;
};

static const struct option_def options[] = {
	{ "key", OPTION_TEXTS, offsetof(struct import_options, keys), "PUB", NULL,
		"trust this public key; repeatable (default: " TRUST_DIR "/*.pub)" },
	{ "check", OPTION_FLAG, offsetof(struct import_options, check), NULL, NULL,
		"read the bytes of what the store holds already, and replace what is bad" },
};

struct progress_of {
	const struct tool *t;
	struct import_report r;
};

static void begin(void *ctx, const struct import_report *r)
{
	struct progress_of *p = ctx;
	char copy[SIZE_TEXT_SIZE], held[SIZE_TEXT_SIZE];

	p->r = *r;
	tool_note(p->t,
		"set %s %s: %s to copy (%llu bytes in %llu blobs), %s held already (%llu blobs)",
		r->head->set.name, r->head->set.version, size_text(r->bytes, copy),
		(unsigned long long)r->bytes, (unsigned long long)r->blobs,
		size_text(r->held_bytes, held), (unsigned long long)r->held_blobs);
}

static void volume(void *ctx, const char *name, uint32_t n, uint32_t volumes)
{
	const struct progress_of *p = ctx;

	tool_note(p->t, "volume %u of %u: %s", n, volumes, name);
}

static size_t count_pins(const struct set *s)
{
	size_t pins = 0;

	for (size_t i = 0; i < s->count; i++)
		pins += s->entries[i].role == SET_PIN;
	return pins;
}

static void print(const struct progress_of *p, const struct head *h, size_t bad)
{
	AUTO(buf_release) struct buf out = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE];

	digest_text(&h->digest, digest);
	if (p->t->json) {
		buf_str(&out, "{\"set\":");
		json_quote(&out, h->set.name, false);
		buf_str(&out, ",\"version\":");
		json_quote(&out, h->set.version, false);
		buf_printf(&out,
			",\"digest\":\"%s\",\"active\":true,\"references\":%zu,\"copied\":%llu,"
			"\"held\":%llu,\"quarantined\":%zu}\n",
			digest, count_pins(&h->set), (unsigned long long)p->r.bytes,
			(unsigned long long)p->r.held_bytes, bad);
	} else {
		buf_printf(&out, "%s %s %s: active, %zu reference%s\n", h->set.name, h->set.version,
			digest, count_pins(&h->set), count_pins(&h->set) == 1 ? "" : "s");
	}
	fwrite(out.data, 1, out.len, p->t->out);
}

static int run(struct tool *t, const void *opt, const struct texts *args, struct err *e)
{
	const struct import_options *o = opt;
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	AUTO(store_close) struct store *s = NULL;
	AUTO(medium_release) struct medium m = { .trusted = false };
	struct progress_of p = { .t = t };
	struct import_events events = { begin, volume, &p };

	if (args->count == 0)
		return tool_usage(e, "what shall be imported? A folder, volumes, or - for stdin");
	if (tool_trust_load(&trust, &o->keys, e) < 0 || tool_store_write(t, &s, e) < 0)
		return -1;
	tool_store_care(t, s, o->check);
	if (import_medium(s, &trust, args->items, args->count, &events, &m, e) < 0)
		return -1;
	print(&p, &m.head, store_found_bad(s));
	return 0;
}

const struct command cmd_import = {
	.name = "import",
	.args = "[--key PUB]... [--check] PATH...|-",
	.summary = "verify a medium and make its set active",
	.about = "PATH is a folder that holds volumes, or volumes in any order; - reads them one\n"
		 "behind the other from stdin. Everything is verified while it is copied, and\n"
		 "nothing is visible until all of it is there. Stopped, it goes on where it was.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct import_options),
	.run = run,
};
