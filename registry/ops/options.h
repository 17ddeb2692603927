/* moatd's configuration: one table for the file, the flags, --help-config and conf/moatd.yaml. */
#ifndef MOAT_OPTIONS_H
#define MOAT_OPTIONS_H

#include "storage/base/settings.h"

struct options {
#define OPTION SETTING_FIELD
#include "registry/ops/options.tbl"
#undef OPTION
};

enum options_answer { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_HELP_CONFIG, OPTIONS_VERSION };

/* Defaults, then the file, then flags. argv: as main got it. What to do in *answer. */
MUST int options_read(
	struct options *o, int argc, char **argv, enum options_answer *answer, struct err *e);
void options_release(struct options *o);

/* The file that changes nothing: what --help-config prints. */
void options_describe(struct buf *out);

#endif
