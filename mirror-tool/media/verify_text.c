/* Write how to check a medium by hand, with the names of this set filled in. Pure. */
#include "mirror-tool/media/verify_text.h"

#include "mirror-tool/sign/cosign.h"
#include "storage/base/base64.h"
#include "storage/base/banned.h"

#define SIGNATURE "dev.cosignproject.cosign/signature"

/* A legacy signature of the set: its payload and the base64 of the signature. */
struct legacy {
	struct digest payload;
	char *signature; /* NULL: none was found */
	bool by_key; /* it holds under the given key */
};

static void legacy_release(struct legacy *l)
{
	mem_free(&l->signature);
}

/* Accept base64 only: it goes into a command line. */
static bool is_base64(const char *text)
{
	return text && *text &&
	       !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
				  "uvwxyz0123456789+/=")];
}

static int read_manifest(
	struct manifest *m, const struct head *h, const struct set_signature *s, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	return manifest_parse(m, digest_text(&s->digest, text), NULL,
		buf_span(&head_find(h, &s->digest)->bytes), e);
}

static bool is_by(const struct trust *key, const struct head *h, const struct digest *payload,
	const char *signature)
{
	const struct head_blob *b = head_find(h, payload);
	AUTO(buf_release) struct buf der = BUF_INIT;
	struct err ignored = ERR_INIT;

	return key->count && b && base64_decode(&der, span_of(signature), &ignored) == 0 &&
	       verify_bytes(key->keys[0], buf_span(&b->bytes), buf_span(&der));
}

/* Take the first signature by the key, else the first one. */
static void consider(struct legacy *out, const struct trust *key, const struct head *h,
	const struct descriptor *layer)
{
	const char *signature = annotation_get(&layer->annotations, SIGNATURE);
	bool by_key;

	if (strcmp(layer->media_type, MEDIA_COSIGN_PAYLOAD) != 0 || !is_base64(signature))
		return;
	by_key = is_by(key, h, &layer->digest, signature);
	if (out->signature && (out->by_key || !by_key))
		return;
	legacy_release(out);
	*out = (struct legacy){ layer->digest, mem_strdup(signature), by_key };
}

static int find_legacy(const struct head *h, struct span key, struct legacy *out, struct err *e)
{
	AUTO(trust_release) struct trust trust = TRUST_INIT;

	/* Check the key in a signature: it may be anything. */
	if (key.len && trust_add(&trust, "moat.pub", key, e) < 0)
		err_clear(e);
	for (size_t i = 0; i < h->signature_count; i++) {
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;

		if (read_manifest(&m, h, &h->signatures[i], e) < 0)
			return -1;
		for (size_t k = 0; k < m.count; k++)
			consider(out, &trust, h, &m.items[k]);
	}
	if (out->signature)
		return 0;
	return err_set(
		e, ERR_UNSUPPORTED, "set %s has no cosign signature for verify.txt", h->set.name);
}

static bool carried_key(const struct head *h, bool legacy, struct buf *out)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < h->signature_count; i++) {
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
		const char *key;

		if (!*h->signatures[i].tag == legacy ||
			read_manifest(&m, h, &h->signatures[i], &e) < 0)
			continue;
		key = annotation_get(&m.annotations, COSIGN_PUBLIC_KEY);
		if (!key)
			continue;
		buf_str(out, key);
		return true;
	}
	return false;
}

bool head_public_key(const struct head *h, struct buf *out)
{
	return carried_key(h, true, out) || carried_key(h, false, out);
}

/* Text with @SET@, ... for the hex digests and names of this set. */
static const char template[] =
	"How to check this medium without moat\n"
	"======================================\n"
	"\n"
	"Set:     @NAME@ @VERSION@\n"
	"Digest:  sha256:@SET@\n"
	"\n"
	"Needed: a shell, tar, sha256sum, base64@ZSTD@ and openssl. The lines that begin with "
	"four\n"
	"spaces are commands; type them one after the other in this folder.\n"
	"\n"
	"1. The files arrived as they were written (this finds damage, not forgery):\n"
	"\n"
	"    sha256sum -c SHA256SUMS\n"
	"\n"
	"2. moat.pub came with the medium, so it proves nothing by itself. Compare this with the\n"
	"   fingerprint that you were given in another way (`moat key show`):\n"
	"\n"
	"    openssl pkey -pubin -in moat.pub -outform DER | sha256sum\n"
	"\n"
	"3. The signature is by that key, over a statement that names the digest above:\n"
	"\n"
	"    work=$(mktemp -d)\n"
	"    tar -xOf @VOLUME@ blobs/sha256/@PAYLOAD@ > $work/payload\n"
	"    echo @SIGNATURE@ | base64 -d > $work/signature\n"
	"    openssl dgst -sha256 -verify moat.pub -signature $work/signature $work/payload\n"
	"    grep -F '\"docker-manifest-digest\":\"sha256:@SET@\"' $work/payload\n"
	"\n"
	"@PACKED@"
	"4. The set has that digest, and names its inventory, which lists every blob:\n"
	"\n"
	"    @GET@blobs/sha256/@SET@ > $work/set\n"
	"    echo '@SET@  '$work/set | sha256sum -c\n"
	"    grep -F 'sha256:@MANIFEST@' $work/set > /dev/null\n"
	"    tar -xOf @VOLUME@ blobs/sha256/@MANIFEST@ > $work/manifest\n"
	"    echo '@MANIFEST@  '$work/manifest | sha256sum -c\n"
	"    grep -F 'sha256:@INVENTORY@' $work/manifest > /dev/null\n"
	"    @GET@blobs/sha256/@INVENTORY@ > $work/inventory\n"
	"    echo '@INVENTORY@  '$work/inventory | sha256sum -c\n"
	"\n"
	"5. The blobs of all volumes are those of the inventory@LACK@ (this needs space for all of "
	"them\n"
	"   in $work; set TMPDIR before step 3 to choose where that is):\n"
	"\n"
	"    for v in @PREFIX@*.tar; do tar -xf $v -C $work; done\n"
	"    cd $work\n"
	"@UNPACK@"
	"    if [ -d parts ]; then for d in parts/*/*; do cat $d/* > blobs/${d#parts/}; done; fi\n"
	"    sed -n 's,^sha256:\\([0-9a-f]*\\) .*,\\1  blobs/sha256/\\1,p' inventory > sums256\n"
	"    sed -n 's,^sha512:\\([0-9a-f]*\\) .*,\\1  blobs/sha512/\\1,p' inventory > sums512\n"
	"@SPARSE@"
	"    if [ -s sums256 ]; then sha256sum --quiet -c sums256; fi\n"
	"    if [ -s sums512 ]; then sha512sum --quiet -c sums512; fi\n"
	"    cd - > /dev/null\n"
	"    rm -r $work\n"
	"\n"
	"Every volume is an OCI archive: `skopeo copy oci-archive:VOLUME:REFERENCE ...` and\n"
	"`ctr images import VOLUME` read the images that are whole in it.\n";

/* Unpack what travels packed: zstd/ALG/HEX, or zstd/ALG/HEX/ALG/HEX of what it builds on. */
static const char packed[] =
	"   Documents of the set travel packed by zstd. Some may be differences on those of "
	"another\n"
	"   set: this medium is @ON@. Let BASE be a folder that has these under blobs/:\n"
	"   a store that holds that set, or a medium of it, unpacked by tar:\n"
	"\n"
	"    BASE=${BASE:-/var/lib/moat}\n"
	"    unpack() { [ ! -d $work/zstd ] || for f in $(cd $work/zstd && find * -type f); do "
	"case $f in */*/*)\n"
	"    zstd -dqf --long=27 --patch-from=$BASE/blobs/${f#*/*/} $work/zstd/$f -o "
	"$work/blobs/${f%/*/*};;\n"
	"    *) zstd -dqf --long=27 $work/zstd/$f -o $work/blobs/$f;; esac; done; }\n"
	"    tar -xf @VOLUME@ -C $work\n"
	"    unpack\n"
	"\n";
static const char unpack[] = "    unpack\n";

/* Keep the sums of what is here. */
static const char sparse[] =
	"    for n in 256 512; do mv sums$n all; while read -r s f; do\n"
	"    if [ -e $f ]; then echo \"$s  $f\"; fi; done < all > sums$n; done\n";

static void fill_in(struct buf *out, const char *text, const struct annotation *words)
{
	while (*text) {
		const struct annotation *w = words;

		while (w->key && strncmp(text, w->key, strlen(w->key)) != 0)
			w++;
		if (w->key)
			buf_str(out, w->value);
		else
			buf_char(out, *text);
		text += w->key ? strlen(w->key) : 1;
	}
}

/* The layer of the inventory's manifest. */
static int inventory_layer(const struct head *h, struct digest *layer, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	const struct set_entry *entry = set_role_entry(&h->set, SET_INVENTORY);
	const struct head_blob *b = head_find(h, &entry->digest);

	if (manifest_parse(&m, "inventory", NULL, buf_span(&b->bytes), e) < 0)
		return -1;
	*layer = m.items[0].digest;
	return 0;
}

/* Put the parts together that this medium needs. */
static void choose_steps(struct buf *out, const struct verify_words *words)
{
	fill_in(out, template,
		(const struct annotation[]){ { "@ZSTD@", words->on ? ", zstd" : "" },
			{ "@PACKED@", words->on ? packed : "" },
			{ "@GET@", words->on ? "cat $work/" : "tar -xOf @VOLUME@ " },
			{ "@UNPACK@", words->on ? unpack : "" },
			{ "@LACK@", words->sparse ? ", of\n   which some are left out" : "" },
			{ "@SPARSE@", words->sparse ? sparse : "" }, { NULL, NULL } });
}

int verify_text_write(struct buf *out, const struct head *h, const struct verify_words *words,
	struct span key, struct err *e)
{
	AUTO(legacy_release) struct legacy legacy = { .signature = NULL };
	char set[DIGEST_HEX_SIZE], payload[DIGEST_HEX_SIZE], manifest[DIGEST_HEX_SIZE],
		inventory[DIGEST_HEX_SIZE];
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(buf_release) struct buf on = BUF_INIT;
	struct digest layer;

	if (find_legacy(h, key, &legacy, e) < 0 || inventory_layer(h, &layer, e) < 0)
		return -1;
	choose_steps(&text, words);
	if (words->on)
		base_say(words->on, &on);
	digest_hex(&set_role_entry(&h->set, SET_INVENTORY)->digest, manifest);
	fill_in(out, text.data,
		(const struct annotation[]){ { "@NAME@", h->set.name },
			{ "@VERSION@", h->set.version }, { "@SET@", digest_hex(&h->digest, set) },
			{ "@VOLUME@", words->volume }, { "@PREFIX@", words->prefix },
			{ "@ON@", on.data }, { "@PAYLOAD@", digest_hex(&legacy.payload, payload) },
			{ "@SIGNATURE@", legacy.signature }, { "@MANIFEST@", manifest },
			{ "@INVENTORY@", digest_hex(&layer, inventory) }, { NULL, NULL } });
	return 0;
}
