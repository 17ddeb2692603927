/*
 * References: `host[:port]/repository[:tag][@digest]` (distribution-spec, "Pulling manifests";
 * docker's normalisation of short names). Hosts are compared in one spelling, ref_normal_host().
 */
#ifndef MOAT_REF_H
#define MOAT_REF_H

#include "storage/oci/digest.h"

#define REF_HOST_MAX 255
#define REF_REPO_MAX 255
#define REF_TAG_MAX 128
#define REF_TEXT_SIZE (REF_HOST_MAX + REF_REPO_MAX + REF_TAG_MAX + DIGEST_TEXT_SIZE + 4)

struct ref {
	char host[REF_HOST_MAX + 1]; /* "docker.io", "localhost:5001" */
	char repo[REF_REPO_MAX + 1]; /* "library/nginx" */
	char tag[REF_TAG_MAX + 1]; /* "" when none */
	struct digest digest; /* alg DIGEST_NONE when none */
};

/* As users write it: `nginx` is docker.io/library/nginx, `index.docker.io` and
 * `registry-1.docker.io` are docker.io. A first component is a host when it holds a '.' or ':' or
 * is "localhost". No tag and no digest: the tag stays "" (the caller decides about `latest`). */
MUST int ref_parse(struct ref *r, struct span text, struct err *e);

/* host/repo, or host/repo:tag, host/repo@digest, host/repo:tag@digest: what it has. */
const char *ref_text(const struct ref *r, char text[REF_TEXT_SIZE]);
/* host/repo only: the name of a repository in the store. */
const char *ref_name(const struct ref *r, char text[REF_TEXT_SIZE]);

/* The same host, repository, tag and digest? */
bool ref_eq(const struct ref *a, const struct ref *b);

/* Check one part of a reference, for paths of the API and of lists. ERR_INPUT says which character. */
MUST int ref_check_host(struct span host, struct err *e); /* as stored: lower case */

/* The one spelling of a host from outside: lower case, as DNS compares (RFC 4343), and docker.io for
 * the Hub's other names. ERR_INPUT: no host. */
MUST int ref_normal_host(struct span host, char out[REF_HOST_MAX + 1], struct err *e);
/* Do two texts name one registry? Apart from case, addresses that are no such host are what they are. */
bool ref_same_host(const char *a, const char *b);

MUST int ref_check_repo(struct span repo, struct err *e); /* the spec's `name`; lower case */
MUST int ref_check_tag(struct span tag, struct err *e); /* the spec's `reference`, no digest */
/* The same without the sentence. */
bool ref_is_tag(struct span tag);
bool ref_is_repo(struct span repo);

/* The stored name `host/repo` as a path of the API: ':' is outside the grammar of names, so
 * `localhost:5001/x` is served as `localhost-5001/x`. */
void ref_api_name(const char *name, char out[REF_TEXT_SIZE]);

/* `sha256-<hex>` and `sha256-<hex>.sig`: the tag under which referrers and cosign signatures of
 * a digest are found where the referrers API is absent. suffix: "", ".sig", ".att", ".sbom". */
void ref_fallback_tag(const struct digest *subject, const char *suffix, char tag[REF_TAG_MAX + 1]);
/* The digest that such a tag of sha256 is for, whatever its suffix. False: the tag is none. */
bool ref_fallback_subject(const char *tag, struct digest *subject);

#endif
