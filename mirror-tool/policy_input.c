/* Paths -> a judge, with what a person must know of the way there. */
#include "mirror-tool/policy_input.h"

#include <fcntl.h>

#include "storage/base/fs.h"
#include "storage/base/banned.h"

const char *const policy_engine_words[] = { "api", "calico", "cilium", NULL };
const char *const policy_decode_words[] = { "lenient", "strict", "folding", NULL };
const char *const policy_block_words[] = { "never", "match", "unknown", NULL };

static int word_number(const char *const words[], const char *word)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return 0;
}

struct policy_options policy_options_of(
	const char *engine, const char *decode, const char *ipblock_pods)
{
	return (struct policy_options){
		.engine = (enum engine)word_number(policy_engine_words, engine),
		.decode = (enum k8s_decode)word_number(policy_decode_words, decode),
		.block_pods = ipblock_pods
				      ? (enum block_pods)(
						word_number(policy_block_words, ipblock_pods) + 1)
				      : BLOCK_PODS_AUTO,
	};
}

void policy_input_release(struct policy_input *in)
{
	judge_release(&in->judge);
	model_release(&in->model);
	k8s_objects_release(&in->objects);
}

static void warn_of_note(const struct k8s_note *n)
{
	const struct k8s_object *o = n->object;

	switch (n->kind) {
	case K8S_UNKNOWN_FIELD:
		tool_warn("%s:%u: %s %s: \"%s\" is no field here and is dropped%s%s%s",
			o->doc->name, n->at->line, o->kind, o->name, n->at->key,
			n->near ? "; \"" : "", n->near ? n->near : "", n->near ? "\" is" : "");
		break;
	case K8S_WRONG_CASE:
		tool_warn("%s:%u: %s %s: \"%s\" is written \"%s\"; the API server drops it",
			o->doc->name, n->at->line, o->kind, o->name, n->at->key, n->near);
		break;
	case K8S_DUPLICATE_KEY:
		tool_warn("%s:%u: %s %s: \"%s\" is there twice, the last one counts", o->doc->name,
			n->at->line, o->kind, o->name, n->at->key);
		break;
	case K8S_NOT_A_STRING:
		tool_warn(
			"%s:%u: %s %s: %s is taken for a string, which the API server does not do",
			o->doc->name, n->at->line, o->kind, o->name, n->at->text);
		break;
	}
}

int policy_objects(struct k8s_objects *out, const struct texts *paths, struct err *e)
{
	for (size_t i = 0; i < paths->count; i++)
		if (k8s_load(out, paths->items[i], e) < 0)
			return -1;
	if (out->others)
		tool_warn("%s:%u: no Kubernetes object, left out (%zu of them)",
			out->other_doc->name, out->other_line, out->others);
	return 0;
}

int policy_load(struct policy_input *in, const struct texts *paths,
	const struct policy_options *options, struct err *e)
{
	return policy_objects(&in->objects, paths, e) < 0 ? -1 : policy_judge(in, options, e);
}

int policy_judge(struct policy_input *in, const struct policy_options *options, struct err *e)
{
	if (model_make(&in->model, &in->objects, options, e) < 0)
		return -1;
	for (size_t i = 0; i < in->model.notes.count; i++)
		warn_of_note(&in->model.notes.items[i]);
	for (size_t i = 0; i < in->model.finding_count; i++) {
		const struct finding *f = &in->model.findings[i];

		tool_warn("%s:%u: %s %s: %s", f->object->doc->name, f->at->line, f->object->kind,
			f->object->name, f->text);
	}
	judge_make(&in->judge, &in->model);
	return 0;
}

static int text_of(const char *name, struct buf *text, struct err *e)
{
	int rc = strcmp(name, "-") == 0 ? fs_read_stdin(PROBES_BYTES_MAX, text, e) + 1
					: fs_read_file(AT_FDCWD, name, PROBES_BYTES_MAX, text, e);

	if (rc == 0 && e->code == ERR_OK)
		return err_set(e, ERR_ABSENT, "%s is not there", name);
	return rc <= 0 ? -1 : 0;
}

int policy_probes(struct probes *p, const char *name, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (text_of(name, &text, e) < 0)
		return -1;
	if (probes_parse(p, name, buf_span(&text), e) == 0)
		return 0;
	return e->code == ERR_INPUT ? TOOL_USAGE : -1;
}

int policy_assertions(
	const struct policy_input *in, struct assertions *a, const char *name, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	if (text_of(name, &text, e) < 0)
		return -1;
	if (assertions_parse(a, name, buf_span(&text), e) == 0 &&
		assertions_bind(a, &in->judge.ends, name, e) == 0)
		return 0;
	return e->code == ERR_INPUT ? TOOL_USAGE : -1;
}

int policy_end(const struct policy_input *in, const char *file, uint32_t line, const char *name,
	size_t *out, struct err *e)
{
	char at[24] = "";

	if (ends_find(&in->judge.ends, name, out))
		return 0;
	if (file)
		snprintf(at, sizeof(at), ":%u: ", line);
	return tool_usage(e,
		"%s%s\"%.200s\" is no end: NAMESPACE/POD of these manifests, ext:IP, host, "
		"remote-node, kube-apiserver",
		file ? file : "", at, name);
}
