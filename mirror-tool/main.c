/* The command table of `moat`, in the order of the flow: what help prints and what runs. */
#include "mirror-tool/tool.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "storage/base/printable.h"
#include "storage/base/banned.h"

#define FILES_WANTED 16384

static const struct command *const commands[] = {
	/* upstream -> lock -> store -> set -> medium | gap | -> store -> node */
	&cmd_pin,
	&cmd_pull,
	&cmd_key_new,
	&cmd_key_show,
	&cmd_seal,
	&cmd_export,
	&cmd_verify,
	&cmd_import,
	&cmd_activate,
	&cmd_rollback,
	&cmd_deactivate,
	&cmd_remove,
	&cmd_need,
	&cmd_receipt,
	&cmd_gc,
	&cmd_list,
	&cmd_diff,
	&cmd_show,
	&cmd_why,
	&cmd_policy_check,
	&cmd_policy_eval,
	&cmd_policy_map,
	&cmd_policy_explain,
	&cmd_policy_test,
	&cmd_policy_mutate,
	&cmd_policy_diff,
	&cmd_policy_convert,
	&cmd_policy_plan,
	&cmd_extract,
	&cmd_log_verify, /* in front of its first word alone */
	&cmd_log,
	&cmd_backup,
	&cmd_rebuild,
	&cmd_scrub,
	&cmd_node_config,
	&cmd_user_add,
	&cmd_user_remove,
};

/* Volumes, stages and connections are open at once; the usual limit of 1,024 is for select(2), which
 * nothing here uses. */
static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= FILES_WANTED)
		return;
	files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
	(void)!setrlimit(RLIMIT_NOFILE, &files); /* then the error that comes says what to do */
}

int main(int argc, char **argv)
{
	int status;

	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error that is reported */
	raise_files();
	stdout = printable_open(STDOUT_FILENO, false);
	stderr = printable_open(STDERR_FILENO, true);
	status = tool_main(commands, ARRAY_SIZE(commands), argc, (const char *const *)argv, stdout);
	fclose(stdout); /* tool_main() has told what could not be written */
	fclose(stderr);
	return status;
}
