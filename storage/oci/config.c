/* Reads two fields of a config and nothing else. Must never refuse an image for its config. */
#include "storage/oci/config.h"

#include "storage/base/tree.h"
#include "storage/base/banned.h"

bool config_is_image(const struct descriptor *config)
{
	return (strcmp(config->media_type, MEDIA_OCI_CONFIG) == 0 ||
		       strcmp(config->media_type, MEDIA_DOCKER_CONFIG) == 0) &&
	       config->size <= IMAGE_CONFIG_MAX;
}

bool config_platform(struct span bytes, struct platform *p)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	AUTO(mem_free) char *text = NULL;
	const char *os = NULL, *arch = NULL, *variant = "";
	struct err e;

	if (json_parse(&d, "config", bytes, IMAGE_CONFIG_MAX, &e) < 0 ||
		node_string(&d, d.root, "os", OPTIONAL, &os, &e) <= 0 ||
		node_string(&d, d.root, "architecture", OPTIONAL, &arch, &e) <= 0 ||
		node_string(&d, d.root, "variant", OPTIONAL, &variant, &e) < 0)
		return false;
	text = mem_printf("%s/%s%s%s", os, arch, *variant ? "/" : "", variant);
	return platform_parse(p, span_of(text), &e) == 0;
}
