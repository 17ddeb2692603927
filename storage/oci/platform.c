/* Platforms: `os/arch[/variant]`, normalised as containerd does. Pure. */
#include <stdio.h>

#include "storage/oci/manifest.h"
#include "storage/base/banned.h"

static const struct {
	const char *alias, *arch, *variant;
} aliases[] = {
	{ "x86_64", "amd64", "" },
	{ "x86-64", "amd64", "" },
	{ "aarch64", "arm64", "" },
	{ "i386", "386", "" },
	{ "armhf", "arm", "v7" },
	{ "armel", "arm", "v6" },
};

void platform_normalise(struct platform *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (strcmp(p->arch, aliases[i].alias) != 0)
			continue;
		snprintf(p->arch, sizeof(p->arch), "%s", aliases[i].arch);
		if (!*p->variant)
			snprintf(p->variant, sizeof(p->variant), "%s", aliases[i].variant);
		return;
	}
}

static bool is_word(struct span s, size_t room)
{
	if (s.len == 0 || s.len >= room)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
			    c == '.'))
			return false;
	}
	return true;
}

int platform_parse(struct platform *p, struct span text, struct err *e)
{
	struct span rest = text;
	struct span os = span_until(&rest, '/');
	struct span arch = span_until(&rest, '/');
	struct span variant = rest;
	bool has_variant = os.len + arch.len + 1 < text.len;

	*p = (struct platform){ .os = "" };
	if (!is_word(os, sizeof(p->os)) || !is_word(arch, sizeof(p->arch)) ||
		(has_variant && !is_word(variant, sizeof(p->variant))))
		return err_set(e, ERR_INPUT, "platform \"%.*s\" is not os/arch or os/arch/variant",
			(int)(text.len < 80 ? text.len : 80), text.data);
	memcpy(p->os, os.data, os.len);
	memcpy(p->arch, arch.data, arch.len);
	if (has_variant)
		memcpy(p->variant, variant.data, variant.len);
	platform_normalise(p);
	return 0;
}

const char *platform_text(const struct platform *p, char text[PLATFORM_TEXT_SIZE])
{
	snprintf(text, PLATFORM_TEXT_SIZE, "%s/%s%s%s", p->os, p->arch, *p->variant ? "/" : "",
		p->variant);
	return text;
}

/* What an absent variant means. */
static const char *variant_of(const struct platform *p)
{
	if (*p->variant)
		return p->variant;
	if (strcmp(p->arch, "arm64") == 0)
		return "v8";
	if (strcmp(p->arch, "arm") == 0)
		return "v7";
	return strcmp(p->arch, "amd64") == 0 ? "v1" : "";
}

bool platform_match(const struct platform *wanted, const struct platform *have)
{
	if (strcmp(wanted->os, have->os) != 0 || strcmp(wanted->arch, have->arch) != 0 ||
		strcmp(variant_of(wanted), variant_of(have)) != 0)
		return false;
	return !*wanted->os_version || strcmp(wanted->os_version, have->os_version) == 0;
}
