/* The config of an image: what it says about the platform. Pure. */
#ifndef MOAT_CONFIG_BLOB_H
#define MOAT_CONFIG_BLOB_H

#include "storage/oci/manifest.h"

#define IMAGE_CONFIG_MAX (4u << 20) /* bytes of a config that is read for its platform */

/* A config whose fields `os` and `architecture` mean a platform, small enough to be read? */
bool config_is_image(const struct descriptor *config);

/* False when the bytes do not say: no strict JSON (labels may differ in case only), a field is
 * missing, or is no name of a platform. */
bool config_platform(struct span bytes, struct platform *p);

#endif
