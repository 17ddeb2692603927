/* Numbers in words for people. */
#include "mirror-tool/tool.h"

#include "storage/base/banned.h"

const char *excuses_text(uint64_t count, char text[EXCUSES_TEXT_SIZE])
{
	text[0] = '\0';
	if (count)
		snprintf(text, EXCUSES_TEXT_SIZE, ", %llu excuse%s", (unsigned long long)count,
			count == 1 ? "" : "s");
	return text;
}

const char *size_text(uint64_t bytes, char text[SIZE_TEXT_SIZE])
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(text, SIZE_TEXT_SIZE, "%u B", (unsigned)bytes);
		return text;
	}
	for (; value >= 1023.95 && i + 1 < ARRAY_SIZE(names); i++)
		value /= 1024;
	snprintf(text, SIZE_TEXT_SIZE, "%.1f %s", value, names[i]);
	return text;
}
