/*
 * Another place in a registry for what keeps its name: a proxy's repository for one image, or a prefix in
 * front of all repositories of a host.
 *
 *	proxy.corp/hub/library/nginx[:TAG]	one image
 *	proxy.corp:5000[/hub]			a host: /hub is put before each of its repositories
 *
 * The host is always written out, so that no short name can mean Docker Hub.  Pure.
 */
#ifndef MOAT_PLACE_H
#define MOAT_PLACE_H

#include "storage/oci/ref.h"

MUST int place_parse(struct ref *at, const char *text, struct err *e);
MUST int place_check_prefix(const char *text, struct err *e);

/* Move ref to where a prefix says that it is; tag and digest stay. ERR_INPUT: the name gets too long. */
MUST int place_under(struct ref *ref, const char *prefix, struct err *e);

#endif
