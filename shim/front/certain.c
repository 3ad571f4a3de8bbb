#include "certain.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------ config.json */

static const char prefix[] = "io.spoor.";

/*
 * An escape may spell a letter of the prefix: all of them are among \u002e, \u006X and \u007X. Others, such as Go's for
 * <, > and &, may stand.
 */
static bool spells_letters(const char *text, size_t size)
{
	const char *end = text + size;
	for (const char *at = text; (at = memmem(at, (size_t)(end - at), "\\u", 2)); at += 2) {
		if (end - at < 6)
			return true;
		if (at[2] != '0' || at[3] != '0')
			continue;
		if (at[4] == '6' || at[4] == '7' || (at[4] == '2' && (at[5] == 'e' || at[5] == 'E')))
			return true;
	}
	return false;
}

/* Behind the string that begins at `at`, a quote; NULL if it does not end. */
static const char *behind_string(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '\\')
			at++;
		else if (*at == '"')
			return at + 1;
	}
	return NULL;
}

static const char *behind_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* `at` behind `word`, or NULL if something else stands there. */
static const char *behind_word(const char *at, const char *end, const char *word)
{
	size_t size = strlen(word);
	return at && (size_t)(end - at) >= size && !memcmp(at, word, size) ? at + size : NULL;
}

/* The key at `at`, quotes included, is that of a member of this value. */
static bool is_member(const char *at, const char *end, const char *key, const char *value)
{
	at = behind_word(at, end, key);
	at = at ? behind_word(behind_blanks(at, end), end, ":") : NULL;
	return at && behind_word(behind_blanks(at, end), end, value);
}

/*
 * That `wanted`, within the text, is a key of the object "annotations" of the outermost one, of which there is one only, and
 * forbids tracing. Text that is no JSON may be taken for it: what cannot be read is not traced.
 */
static bool forbids(const char *text, size_t size, const char *wanted)
{
	const char *end = text + size;
	unsigned int depth = 0, annotations = 0;
	bool within = false, found = false;
	for (const char *at = text; at < end;) {
		if (*at == '/') /* a comment */
			return false;
		if (*at == '{' || *at == '[')
			depth++;
		if (*at == '}' || *at == ']') {
			if (depth-- == 0)
				return false;
			within = within && depth > 1;
		}
		if (*at != '"') {
			at++;
			continue;
		}
		if (depth == 1 && behind_word(at, end, "\"annotations\"")) {
			annotations++;
			within = is_member(at, end, "\"annotations\"", "{");
		}
		/* The quote before it. */
		if (at + 1 == wanted && within && depth == 2)
			found = is_member(at, end, "\"io.spoor.trace\"", "\"false\"") ||
				is_member(at, end, "\"io.spoor.mode\"", "\"off\"");
		at = behind_string(at, end);
		if (!at)
			return false;
	}
	return found && annotations == 1;
}

enum front_wish front_read_spec(const char *text, size_t size)
{
	if (spells_letters(text, size))
		return front_doubt;
	const char *first = memmem(text, size, prefix, sizeof(prefix) - 1);
	if (!first)
		return front_silent;
	const char *behind = first + 1;
	if (memmem(behind, size - (size_t)(behind - text), prefix, sizeof(prefix) - 1))
		return front_doubt;
	return forbids(text, size, first) ? front_off : front_doubt;
}

bool front_is_not_traced(const struct front_settings *settings, enum front_wish wish)
{
	/* What is off is not to be had then, or an error. */
	if (settings->limits_modes)
		return false;
	return wish == front_off || (wish == front_silent && (!settings->trace || settings->off));
}

/* ----------------------------------------------------------------------------------------- command line */

static const char *const global_flags[] = {"--debug", "--systemd-cgroup", NULL};
static const char *const global_values[] = {"--cgroup-manager", "--log", "--log-format", "--log-level", "--root", NULL};
static const char *const flags[] = {"--no-new-keyring", "--no-pivot", "--no-subreaper", NULL};
static const char *const run_flags[] = {"--detach", "-d", "--keep", NULL};
static const char *const bundle_values[] = {"--bundle", "-b", NULL};
static const char *const values[] = {"--console-socket", "--pid-file", "--preserve-fds", NULL};

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

/* The value of an option of `words` at `*argv`, which moves to the last word of it; NULL if it is none of them. */
static const char *value_of(char *const **argv, const char *const *words)
{
	const char *word = **argv;
	if (is_one_of(word, words)) {
		if ((*argv)[1])
			++*argv;
		return **argv == word ? NULL : **argv;
	}
	const char *equals = strncmp(word, "--", 2) ? NULL : strchr(word, '=');
	for (; equals && *words; words++)
		if (strlen(*words) == (size_t)(equals - word) && !strncmp(word, *words, (size_t)(equals - word)))
			return equals + 1;
	return NULL;
}

const char *front_bundle(char *const argv[])
{
	const char *bundle = ".";
	if (!argv[0])
		return NULL;
	for (argv++; *argv && (*argv)[0] == '-'; argv++)
		if (!is_one_of(*argv, global_flags) && !value_of(&argv, global_values))
			return NULL;
	if (!*argv || (strcmp(*argv, "create") && strcmp(*argv, "run")))
		return NULL;
	bool runs = !strcmp(*argv, "run");
	for (argv++; *argv && (*argv)[0] == '-'; argv++) {
		const char *named = value_of(&argv, bundle_values);
		if (named)
			bundle = named;
		else if (!is_one_of(*argv, flags) && !(runs && is_one_of(*argv, run_flags)) && !value_of(&argv, values))
			return NULL;
	}
	return *argv && !argv[1] ? bundle : NULL;
}
