/*
 * Runs a fuzz target over files, without libFuzzer: the corpora are ordinary tests this way, on any
 * compiler.  Arguments are files or directories (not recursive).  Each input is handed over in a
 * heap block of exactly its size, so that AddressSanitizer sees a read past the end.
 */
#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");

	if (!f || fstat(fileno(f), &st) < 0)
		err(1, "%s", path);
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size ? size : 1);
	if (!data || fread(data, 1, size, f) != size)
		err(1, "%s", path);
	fclose(f);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static size_t run_directory(const char *path, DIR *dir)
{
	size_t count = 0;
	struct dirent *d;

	while ((d = readdir(dir))) {
		char *file = NULL;

		if (d->d_name[0] == '.')
			continue;
		if (asprintf(&file, "%s/%s", path, d->d_name) < 0)
			err(1, "%s", path);
		run_file(file);
		free(file);
		count++;
	}
	return count;
}

int main(int argc, char **argv)
{
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);

		if (!dir) {
			run_file(argv[i]);
			count++;
			continue;
		}
		count += run_directory(argv[i], dir);
		closedir(dir);
	}
	printf("%zu inputs\n", count);
	if (count == 0)
		errx(1, "no input given: an empty corpus proves nothing");
	return 0;
}
