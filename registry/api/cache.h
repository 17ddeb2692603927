/*
 * Cache what hot URIs stand for, bounded in bytes and open files, shared by all threads.
 *
 * An entry is good for one epoch only. A thread that sees the store's change number move calls
 * cache_changed(), and from then on no thread gets anything that was looked up before (S4). An old entry may
 * still serve as a hint: bytes of the same digest need not be read again. It may be dropped at any time; it
 * only saves work. Safe from any thread.
 */
#ifndef MOAT_CACHE_H
#define MOAT_CACHE_H

#include "registry/api/content.h"

#define CACHE_CONTENT_MAX (128u << 10) /* larger manifests are served from their file */

struct cache;

/* bytes: of content and its entries. files: open files of blobs at most. */
struct cache *cache_new(uint64_t bytes, unsigned files);
void cache_free(struct cache **c); /* for AUTO; content lives on where it is referenced */

/* The current epoch. Read it *before* the lookup whose result is put. */
uint64_t cache_epoch(const struct cache *c);
/* Make all that was put before stale. */
void cache_changed(struct cache *c);

/* Get a reference to the content under this URI, or NULL. *fresh: it may be served; otherwise it is a hint
 * from an earlier epoch. */
struct content *cache_get(struct cache *c, struct span uri, bool *fresh);

/* Put content; takes a reference of its own. epoch: from cache_epoch(). */
void cache_put(struct cache *c, struct span uri, uint64_t epoch, struct content *content);

/* Drop everything from earlier epochs: deleted files must not stay open. */
void cache_sweep(struct cache *c);

/* How often fresh content was found, and how often content was put, so far. */
void cache_counts(struct cache *c, uint64_t *hits, uint64_t *puts);

#endif
