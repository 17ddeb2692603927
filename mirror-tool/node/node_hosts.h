/*
 * Which upstream hosts the nodes know: those of the configuration that `moat node config --write` made last with this
 * store, in STORE/node-hosts, one a line. A new host in a set is told when the set becomes active.
 */
#ifndef MOAT_NODE_HOSTS_H
#define MOAT_NODE_HOSTS_H

#include "mirror-tool/tool.h"

#define NODE_HOSTS "node-hosts"
#define NODE_HOSTS_MAX (1u << 20) /* bytes */

/* Remember them in t->store. A note says so where nothing may be written there. */
void node_hosts_remember(const struct tool *t, const struct texts *hosts);

/* Say which hosts of the active sets the nodes do not know. Nothing when no configuration was written. */
MUST int node_hosts_note(const struct tool *t, struct store *s, struct err *e);

#endif
