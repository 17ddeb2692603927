/* Lines or JSON. Must never put text outside of quotes into an object. */
#include "mirror-tool/show/page.h"

#include <inttypes.h>
#include <stdarg.h>

#include "mirror-tool/json_out.h"
#include "mirror-tool/tool.h"
#include "storage/base/printable.h"
#include "storage/base/banned.h"

void page_release(struct page *p)
{
	buf_release(&p->text);
}

void page_words(struct page *p, const char *fmt, ...)
{
	AUTO(buf_release) struct buf line = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	printable_add(&p->text, buf_span(&line), PRINTABLE_LINE);
	buf_char(&p->text, '\n');
}

void page_fact(struct page *p, const char *label, const char *value)
{
	if (p->json)
		json_pair(&p->text, label, value);
	else if (*value)
		page_words(p, "%-12s %s", label, value);
}

void page_fact_digest(struct page *p, const char *label, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE] = "";

	if (d->alg != DIGEST_NONE)
		digest_text(d, text);
	page_fact(p, label, text);
}

void page_fact_bytes(struct page *p, const char *label, uint64_t bytes)
{
	char size[SIZE_TEXT_SIZE];

	if (p->json)
		json_number(&p->text, label, bytes);
	else
		buf_printf(&p->text, "%-12s %s (%" PRIu64 " bytes)\n", label,
			size_text(bytes, size), bytes);
}

void page_list_begin(struct page *p, const char *label)
{
	if (p->json) {
		json_key(&p->text, label);
		buf_char(&p->text, '[');
	} else {
		buf_printf(&p->text, "\n%s\n", label);
	}
}

void page_list_end(struct page *p)
{
	if (p->json)
		buf_char(&p->text, ']');
}

void page_item_begin(struct page *p)
{
	if (!p->json)
		return;
	json_comma(&p->text);
	buf_char(&p->text, '{');
}

void page_item_end(struct page *p)
{
	if (p->json)
		buf_char(&p->text, '}');
}
