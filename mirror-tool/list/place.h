/*
 * Another place in a registry from which something with its own name is fetched: the repository of
 * a proxy for one image, or a prefix for all repositories of a host.
 *
 *	proxy.corp/hub/library/nginx[:TAG]	one image
 *	proxy.corp:5000[/hub]			a host: /hub is put before each of its repositories
 *
 * The host is always written out, so that no short name can mean Docker Hub. Pure.
 */
#ifndef MOAT_PLACE_H
#define MOAT_PLACE_H

#include "storage/oci/ref.h"

/* Read the place of one image. ERR_INPUT: no reference, no host in it, or a digest. */
MUST int place_parse(struct ref *at, const char *text, struct err *e);
/* Check a prefix for a host. ERR_INPUT says what is wrong. */
MUST int place_check_prefix(const char *text, struct err *e);

/* Replace the host of *ref by a checked prefix; tag and digest stay. ERR_INPUT: the name gets too
 * long. */
MUST int place_under(struct ref *ref, const char *prefix, struct err *e);

#endif
