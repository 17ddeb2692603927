/* The store's suite through the default engine. */
#include "tests/unit/storage/suite.h"

int main(void)
{
	return test_blob() + test_change() + test_check() + test_image() + test_pushed_rebuild() +
	       test_rebuild() + test_set();
}
