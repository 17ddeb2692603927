/* moatd's configuration: options.tbl is the one list for the struct, the file, the flags, --help-config and
 * conf/moatd.yaml. */
#ifndef MOAT_OPTIONS_H
#define MOAT_OPTIONS_H

#include "storage/base/settings.h"

/* Sizes in bytes, times in seconds; a path or text without a default is NULL when it is not given. */
struct options {
#define OPTION SETTING_FIELD
#include "registry/ops/options.tbl"
#undef OPTION
};

enum options_answer { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_HELP_CONFIG, OPTIONS_VERSION };

/*
 * Read the defaults, then the files of --config, then flags; options_release() afterwards, whatever is returned.
 *
 * argv:    as main got it.
 * answer:  what the line asks for, on 0.
 * Fails:   ERR_INPUT names the flag, or file, line and key; ERR_ABSENT: a file.
 */
MUST int options_read(
	struct options *o, int argc, char **argv, enum options_answer *answer, struct err *e);
void options_release(struct options *o);

/* Append the file that changes nothing: what --help-config prints. */
void options_describe(struct buf *out);

#endif
