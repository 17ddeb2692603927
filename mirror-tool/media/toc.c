/* The table of contents as text, and as the digest of that text. Pure. */
#include "mirror-tool/media/toc.h"

#include "storage/base/tree.h"
#include "storage/base/banned.h"

void toc_head(struct buf *out, const struct digest *set, uint32_t volume, uint32_t volumes)
{
	char text[DIGEST_TEXT_SIZE];

	buf_printf(out, "{\"moatToc\":1,\"set\":\"%s\",\"volume\":%u,\"volumes\":%u,\"entries\":[",
		digest_text(set, text), volume, volumes);
}

void toc_entry(struct buf *out, const struct toc_entry *entry, bool first)
{
	char hex[DIGEST_HEX_SIZE];

	buf_str(out, first ? "\n{\"name\":" : ",\n{\"name\":");
	json_quote(out, entry->name, false);
	buf_printf(out, ",\"size\":%llu", (unsigned long long)entry->size);
	if (entry->sha256)
		buf_printf(out, ",\"sha256\":\"%s\"", digest_hex(entry->sha256, hex));
	if (entry->of)
		buf_printf(out, ",\"of\":%llu", (unsigned long long)entry->of);
	buf_char(out, '}');
}

void toc_tail(struct buf *out)
{
	buf_str(out, "\n]}\n");
}

static void take_text(struct toc_check *c)
{
	hasher_add(&c->hasher, c->text.data, c->text.len);
	c->size += c->text.len;
	buf_clear(&c->text);
}

void toc_check_begin(
	struct toc_check *c, const struct digest *set, uint32_t volume, uint32_t volumes)
{
	hasher_init(&c->hasher, DIGEST_SHA256);
	c->size = 0;
	c->any = false;
	toc_head(&c->text, set, volume, volumes);
	take_text(c);
}

void toc_check_add(struct toc_check *c, const struct toc_entry *entry)
{
	toc_entry(&c->text, entry, !c->any);
	c->any = true;
	take_text(c);
}

void toc_check_end(struct toc_check *c, struct digest *sha256)
{
	toc_tail(&c->text);
	take_text(c);
	hasher_end(&c->hasher, sha256);
}

void toc_check_release(struct toc_check *c)
{
	hasher_release(&c->hasher);
	buf_release(&c->text);
}
