/* Media types by meaning (image-spec, docker image spec v2.2). Unknown ones are never refused. */
#ifndef MOAT_MEDIA_TYPE_H
#define MOAT_MEDIA_TYPE_H

#include <stdbool.h>

#include "storage/base/buf.h"

#define MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_EMPTY "application/vnd.oci.empty.v1+json"
#define MEDIA_OCI_ARTIFACT "application/vnd.oci.artifact.manifest.v1+json"
#define MEDIA_ORAS_ARTIFACT "application/vnd.cncf.oras.artifact.manifest.v1+json"
#define MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_SCHEMA1 "application/vnd.docker.distribution.manifest.v1+json"
#define MEDIA_DOCKER_SCHEMA1_SIGNED "application/vnd.docker.distribution.manifest.v1+prettyjws"

#define MEDIA_MOAT_SET "application/vnd.moat.set.v1"
#define MEDIA_MOAT_LOCK "application/vnd.moat.lock.v1+json"
#define MEDIA_MOAT_LIST "application/vnd.moat.list.v1+yaml"
#define MEDIA_MOAT_INVENTORY "application/vnd.moat.inventory.v1"

#define MEDIA_TYPE_MAX 255

enum media_kind { MEDIA_OTHER, MEDIA_IMAGE, MEDIA_INDEX };

enum media_kind media_kind_of(const char *type); /* index or list, image manifest, anything else */
/* The two forms of artifact manifests: `blobs` in the place of config and layers. */
bool media_is_artifact(const char *type);
bool media_is_foreign(const char *type); /* non-distributable and foreign layers */
bool media_type_is_valid(struct span type); /* RFC 6838 type/subtype, safe in a header */
/* What others call a type: any text of 1 to MEDIA_TYPE_MAX bytes without control characters. Real ones
 * have parameters, or are a word. */
bool media_type_is_safe(struct span type);

#endif
