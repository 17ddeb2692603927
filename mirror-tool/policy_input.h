/* What the verbs of `moat policy` share: their common options, the reading of what they are given, what was found in it. */
#ifndef MOAT_POLICY_INPUT_H
#define MOAT_POLICY_INPUT_H

#include "mirror-tool/policy/assertions.h"
#include "mirror-tool/tool.h"

/* OPTION rows of every verb; struct policy_choices is a part of each verb's own. */
#define POLICY_OPTIONS(OPTION, S)                                                                  \
	OPTION(S, WORD, engine, "engine", "NAME", "api",                                           \
		"whose rules: api's text, or what calico 3.32 or cilium 1.20 do",                  \
		.words = policy_engine_words)                                                      \
	OPTION(S, WORD, decode, "decode", "HOW", "lenient",                                        \
		"unknown keys are dropped; strict: refused; folding: any case",                    \
		.words = policy_decode_words)                                                      \
	OPTION(S, WORD, ipblock_pods, "ipblock-pods", "HOW", NULL,                                 \
		"an ipBlock and pods: never, match, unknown; default: as the engine",              \
		.words = policy_block_words)
extern const char *const policy_engine_words[], *const policy_decode_words[],
							*const policy_block_words[];

/* What they mean. */
struct policy_options policy_options_of(
	const char *engine, const char *decode, const char *ipblock_pods);

/* The objects of all paths, and the model and judge of them. */
struct policy_input {
	struct k8s_objects objects;
	struct model model;
	struct judge judge;
};
#define POLICY_INPUT_INIT                                                                          \
	{                                                                                          \
		.objects = K8S_OBJECTS_INIT, .model = MODEL_INIT, .judge = JUDGE_INIT              \
	}
void policy_input_release(struct policy_input *in); /* for AUTO */

/* The objects of files and folders; say how many documents are none. */
MUST int policy_objects(struct k8s_objects *out, const struct texts *paths, struct err *e);

/* Load files and folders; warn of what has no effect, is refused by the engine or cannot be told. */
MUST int policy_load(struct policy_input *in, const struct texts *paths,
	const struct policy_options *options, struct err *e);

/* The same of objects that were loaded before. */
MUST int policy_judge(struct policy_input *in, const struct policy_options *options, struct err *e);

/* Assertions of a file ("-": standard input), bound to the ends. 0, -1, or TOOL_USAGE for a line that is none. */
MUST int policy_assertions(
	const struct policy_input *in, struct assertions *a, const char *name, struct err *e);

/* Probes of such a file. 0, -1, or TOOL_USAGE for a line that is none. */
MUST int policy_probes(struct probes *p, const char *name, struct err *e);

/* The end of that name. 0, or TOOL_USAGE; file and line: of the name, NULL: the command line. */
MUST int policy_end(const struct policy_input *in, const char *file, uint32_t line,
	const char *name, size_t *out, struct err *e);

#endif
