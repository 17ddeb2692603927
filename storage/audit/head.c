/* The head of an audit log, and its text. */
#include "storage/audit/audit_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "storage/base/number.h"
#include "storage/base/banned.h"

int audit_head(const char *store, struct audit_head *head, struct err *e)
{
	AUTO(mem_free) unsigned *numbers = NULL;
	AUTO(fd_close) int dir = -1;
	struct audit_rest rest;
	size_t count = 0;
	int rc = audit_open_folder(store, &dir, e);

	*head = (struct audit_head){ .seq = 0 };
	if (rc <= 0 || audit_files(dir, &numbers, &count, e) < 0)
		return rc == 0 ? 0 : -1;
	if (count && audit_find_end(dir, numbers, count, UINT64_MAX, head, &rest, e) < 0)
		return err_ctx(e, "%s", store);
	return head->seq > 0;
}

const char *audit_head_text(const struct audit_head *head, char text[AUDIT_HEAD_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	text[0] = '\0';
	if (head->seq)
		snprintf(text, AUDIT_HEAD_SIZE, "%s@%" PRIu64, digest_hex(&head->hash, hex),
			head->seq);
	return text;
}

int audit_head_parse(struct audit_head *head, struct span text, struct err *e)
{
	struct span rest = text, hex = span_until(&rest, '@');
	struct err ignored = ERR_INIT;

	if (digest_from_hex(&head->hash, DIGEST_SHA256, hex, &ignored) < 0 ||
		!number_is_plain(rest) || !number_parse(rest, INT64_MAX, &head->seq) || !head->seq)
		return err_set(e, ERR_INPUT, "\"%.*s\" is no head of an audit log: HEX@NUMBER is",
			text.len > 100 ? 100 : (int)text.len, text.data);
	return 0;
}
