/* Growing arrays: every item stays what it was, new ones are zero, and a shortened one grows again. */
#include "tests/support/cm.h"

#include <stdlib.h>

#include "storage/base/vec.h"

struct item {
	size_t number;
	char text[24];
};

static void vec_push__keeps_what_was_there(void **state)
{
	struct item *items = NULL;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		struct item *item = VEC_PUSH(items, count);

		assert_int_equal(item->number, 0);
		assert_int_equal(item->text[23], 0);
		*item = (struct item){ .number = i + 1, .text = "text" };
		assert_int_equal(count, i + 1);
	}
	for (size_t i = 0; i < count; i++)
		assert_int_equal(items[i].number, i + 1);
	free(items);
}

/* Under AddressSanitizer a wrong guess of the room is an overflow. */
static void vec_push__grows_again_after_it_was_shortened(void **state)
{
	(void)state;
	for (size_t from = 1; from < 40; from++)
		for (size_t to = 0; to < from; to++) {
			size_t *items = NULL, count = 0;

			while (count < from) {
				size_t *last = VEC_PUSH(items, count);

				*last = count;
			}
			count = to;
			while (count < 2 * from) {
				size_t *last = VEC_PUSH(items, count);

				assert_int_equal(*last, 0);
				*last = count;
			}
			for (size_t i = 0; i < count; i++)
				assert_int_equal(items[i], i + 1);
			free(items);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vec_push__keeps_what_was_there),
		cmocka_unit_test(vec_push__grows_again_after_it_was_shortened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
