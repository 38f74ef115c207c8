#include "expect.h"
#include "id_set.h"

static void test_each_is_new_once(void **state)
{
	struct id_set set = { 0 };
	struct oam_error err = { 0 };
	char id[32];

	(void)state;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 100000; i++) {
			snprintf(id, sizeof(id), "asst_%d", i);
			if (id_set_add(&set, id, &err) != (round == 0))
				fail_msg("round %d: %s", round, id);
		}
	assert_int_equal(set.count, 100000);
	/* An id and where it is: less than 40 bytes each. */
	assert_true(set.size + set.slot_count * sizeof(*set.slots) < (size_t)4000000);
	id_set_free(&set);
	assert_int_equal(id_set_add(&set, "", &err), 1);
	assert_int_equal(id_set_add(&set, "", &err), 0);
	id_set_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_each_is_new_once) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
