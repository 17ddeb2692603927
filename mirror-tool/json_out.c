/* Members of JSON objects. Writes to a buffer only. */
#include "mirror-tool/json_out.h"

#include <inttypes.h>

#include "storage/base/tree.h"
#include "storage/base/banned.h"

void json_comma(struct buf *out)
{
	if (out->len && out->data[out->len - 1] != '{' && out->data[out->len - 1] != '[')
		buf_char(out, ',');
}

void json_key(struct buf *out, const char *key)
{
	json_comma(out);
	json_quote(out, key, false);
	buf_char(out, ':');
}

void json_pair(struct buf *out, const char *key, const char *value)
{
	json_key(out, key);
	json_quote(out, value, false);
}

void json_number(struct buf *out, const char *key, uint64_t value)
{
	json_key(out, key);
	buf_printf(out, "%" PRIu64, value);
}

void json_flag(struct buf *out, const char *key, bool value)
{
	json_key(out, key);
	buf_str(out, value ? "true" : "false");
}
