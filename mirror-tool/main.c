/* The command table of `moat`, in the order of the flow: what help prints and what runs. */
#include "mirror-tool/tool.h"

#include <signal.h>
#include <unistd.h>

#include "storage/base/printable.h"
#include "storage/base/banned.h"

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
	&cmd_list,
	&cmd_show,
	&cmd_node_config,
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error that is reported */
	stdout = printable_open(STDOUT_FILENO, false);
	stderr = printable_open(STDERR_FILENO, true);
	return tool_main(commands, ARRAY_SIZE(commands), argc, (const char *const *)argv, stdout);
}
