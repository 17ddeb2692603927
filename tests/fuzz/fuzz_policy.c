/* Manifests as every engine and decoder reads them, judged from every end to every other, and the lint of them. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mirror-tool/policy/lint.h"
#include "storage/base/fs.h"

#define ENDS_TRIED 12

/* A loader takes files: here is one that has these bytes. */
static int load(struct k8s_objects *o, const uint8_t *data, size_t size)
{
	AUTO(fd_close) int fd = memfd_create("manifests", MFD_CLOEXEC);
	struct err e = ERR_INIT;
	char path[64];

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return k8s_load(o, path, &e);
}

/* What is certain is not in doubt, and one connection is judged as all of them are. */
static void try_pair(struct judge *j, size_t src, size_t dst)
{
	struct reach r = judge_reach(j, src, dst);
	struct judgement one = judge_probe(j, src, dst, PROTO_TCP, 80);
	bool sure = ports_has(j->model->ports, r.allow, PROTO_TCP, 80);

	must(sure == (one.verdict == VERDICT_ALLOW));
}

static void try_ends(struct judge *j)
{
	AUTO(buf_release) struct buf name = BUF_INIT;
	size_t count = j->ends.count < ENDS_TRIED ? j->ends.count : ENDS_TRIED;

	for (size_t src = 0; src < count; src++)
		for (size_t dst = 0; dst < count; dst++)
			try_pair(j, src, dst);
	for (size_t i = 0; i < count; i++)
		ends_name(&j->ends, i, true, &name);
}

static void try_view(const struct k8s_objects *o, const struct policy_options *options)
{
	AUTO(model_release) struct model m = MODEL_INIT;
	AUTO(judge_release) struct judge j = JUDGE_INIT;
	struct err e = ERR_INIT;

	if (model_make(&m, o, options, &e) < 0) {
		must(e.code == ERR_INPUT && *e.text);
		return;
	}
	judge_make(&j, &m);
	try_ends(&j);
	judge_release(&j);
}

static void try_lint(const struct k8s_objects *o, enum engine engine)
{
	AUTO(lint_release) struct lint l = LINT_INIT;
	struct policy_options options = { .engine = engine };
	struct err e = ERR_INIT;

	if (lint_make(&l, o, &options, true, &e) < 0)
		must(e.code == ERR_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(k8s_objects_release) struct k8s_objects o = K8S_OBJECTS_INIT;

	if (load(&o, data, size) < 0)
		return 0;
	for (enum engine engine = ENGINE_API; engine <= ENGINE_CILIUM; engine++) {
		for (enum k8s_decode d = DECODE_LENIENT; d <= DECODE_FOLDING; d++)
			try_view(&o, &(struct policy_options){ .engine = engine, .decode = d });
		try_lint(&o, engine);
	}
	return 0;
}
