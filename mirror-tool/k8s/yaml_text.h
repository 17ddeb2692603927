/* A tree as YAML that readers of YAML 1.1 and 1.2 take alike: block style, a string in quotes wherever it could be read
 * as anything else. */
#ifndef MOAT_K8S_YAML_TEXT_H
#define MOAT_K8S_YAML_TEXT_H

#include "storage/base/tree.h"

/* Append the members of a map, a line each at least. Comments, anchors and styles of the original are not in a tree. */
void yaml_text(const struct node *map, struct buf *out);

#endif
