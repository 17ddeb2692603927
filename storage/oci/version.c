/*
 * Versions of sets: their order, and the one that a set gets when none was given. Pure.
 */
#include "storage/oci/set.h"

#include <stdio.h>

#include "storage/base/banned.h"

#define BEHIND                                                                                     \
	".0-" /* and a time: behind a version, and before whatever a person would call next */

/* --- order ----------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Compare the runs of digits at *a and *b as numbers of any length, and step over them. */
static int cmp_number(const char **a, const char **b)
{
	size_t na, nb;
	const char *x, *y;

	while (**a == '0')
		(*a)++;
	while (**b == '0')
		(*b)++;
	x = *a;
	y = *b;
	for (na = 0; is_digit(x[na]); na++)
		;
	for (nb = 0; is_digit(y[nb]); nb++)
		;
	*a += na;
	*b += nb;
	if (na != nb)
		return na < nb ? -1 : 1;
	return memcmp(x, y, na);
}

/* The end of a version sorts behind a pre-release and before anything else. */
static int rank(char c)
{
	if (c == '-')
		return 0;
	return c == '\0' ? 1 : 2 + (unsigned char)c;
}

static int cmp_text(const char *a, const char *b)
{
	while (*a || *b) {
		if (is_digit(*a) && is_digit(*b)) {
			int c = cmp_number(&a, &b);

			if (c)
				return c;
		} else if (*a != *b) {
			return rank(*a) - rank(*b);
		} else {
			a++;
			b++;
		}
	}
	return 0;
}

bool set_version_is_time(const char *version)
{
	static const char form[] = "ddddddddTddddddZ";
	size_t i = 0;

	while (form[i] && (form[i] == 'd' ? is_digit(version[i]) : form[i] == version[i]))
		i++;
	return !form[i] && !version[i];
}

int set_version_cmp(const char *a, const char *b)
{
	bool time = set_version_is_time(a);

	if (time != set_version_is_time(b))
		return time ? -1 : 1;
	return cmp_text(a, b);
}

/* --- the default ----------------------------------------------------------------------------- */

/* 2026-11-23T23:00:00Z -> 20261123T230000Z */
static void time_of(const char *created, char out[SET_VERSION_MAX + 1])
{
	size_t len = 0;

	for (; *created && len < SET_VERSION_MAX; created++)
		if (*created != '-' && *created != ':')
			out[len++] = *created;
	out[len] = '\0';
}

/* Without what an earlier default put behind it. */
static size_t chosen_part(const char *version)
{
	for (const char *at = strstr(version, BEHIND); at; at = strstr(at + 1, BEHIND))
		if (set_version_is_time(at + strlen(BEHIND)))
			return (size_t)(at - version);
	return strlen(version);
}

int set_version_default(
	char out[SET_VERSION_MAX + 1], const char *newest, const char *created, struct err *e)
{
	char when[SET_VERSION_MAX + 1];
	int len;

	time_of(created, when);
	if (!*newest || set_version_is_time(newest))
		len = snprintf(out, SET_VERSION_MAX + 1, "%s", when);
	else
		len = snprintf(out, SET_VERSION_MAX + 1, "%.*s" BEHIND "%s",
			(int)chosen_part(newest), newest, when);
	if (len <= SET_VERSION_MAX)
		return 0;
	return err_set(e, ERR_INPUT,
		"no room for a time behind version %s, which is sealed: set `version:` in the "
		"list, "
		"or give --version",
		newest);
}
