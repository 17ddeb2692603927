/* Keys of annotations that more than one file reads or writes (image-spec annotations.md;
 * containerd's and buildkit's own). */
#ifndef MOAT_KEYS_H
#define MOAT_KEYS_H

#define KEY_REF_NAME "org.opencontainers.image.ref.name"
#define KEY_TITLE "org.opencontainers.image.title"
#define KEY_CREATED "org.opencontainers.image.created"

#define KEY_CONTAINERD_NAME "io.containerd.image.name"
#define KEY_CONTAINERD_SUBJECT "io.containerd.manifest.subject"

#define KEY_REFERENCE_TYPE "vnd.docker.reference.type"
#define KEY_REFERENCE_DIGEST "vnd.docker.reference.digest"

#endif
