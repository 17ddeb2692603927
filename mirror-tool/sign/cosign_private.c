/* Shared by the files that build and judge cosign's two forms. */
#include "mirror-tool/sign/cosign_private.h"

#include "storage/base/banned.h"

void cosign_write_pae(struct buf *out, struct span payload)
{
	buf_printf(out, "DSSEv1 %zu %s %zu ", strlen(INTOTO_TYPE), INTOTO_TYPE, payload.len);
	buf_add(out, payload.data, payload.len);
}

int cosign_untrusted(struct err *e)
{
	if (e->code == ERR_INPUT)
		e->code = ERR_UNTRUSTED;
	return -1;
}

int cosign_find_signer(struct span bytes, struct span der, const struct trust *trust,
	const struct verify_key **by, struct err *e)
{
	struct verify_key *limited = NULL;

	for (size_t i = 0; i < trust->count; i++) {
		struct verify_key *k = trust->keys[i];

		if (!verify_bytes(k, bytes, der))
			continue;
		if (!trust->set || key_text_allows(verify_key_text(k), trust->set)) {
			*by = k;
			return 0;
		}
		limited = k;
	}
	if (limited)
		return err_set(e, ERR_UNTRUSTED, "signed by %s, which may only sign the sets %s",
			verify_key_name(limited), verify_key_text(limited)->sets_text);
	return err_set(e, ERR_UNTRUSTED, "not signed by a trusted key");
}

int cosign_expect(const struct doc *d, const struct node *map, const char *key, const char *want,
	struct err *e)
{
	const char *text;

	if (node_string(d, map, key, REQUIRED, &text, e) < 0)
		return -1;
	if (strcmp(text, want) != 0)
		return node_err(d, map, e, "%s is \"%.200s\", not \"%s\"", key, text, want);
	return 0;
}
