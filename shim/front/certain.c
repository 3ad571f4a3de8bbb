#include "certain.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------- spoor.yaml */

struct text {
	const char *at;
	size_t size;
};

static bool same(struct text text, const char *word)
{
	return strlen(word) == text.size && !memcmp(text.at, word, text.size);
}

static size_t length_of_blanks(struct text text)
{
	size_t length = 0;
	while (length < text.size && text.at[length] == ' ')
		length++;
	return length;
}

static struct text from(struct text text, size_t begin)
{
	return (struct text){text.at + begin, text.size - begin};
}

static struct text take_line(struct text *text)
{
	const char *end = memchr(text->at, '\n', text->size);
	struct text line = {text->at, end ? (size_t)(end - text->at) : text->size};
	*text = from(*text, line.size + (end ? 1 : 0));
	return line;
}

/* YAML has a meaning for many characters, and its reader one for some that do not print. */
static bool is_plain_text(struct text text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((text.at[i] < ' ' || text.at[i] > '~') && text.at[i] != '\n')
			return false;
	return true;
}

static size_t count_digits(struct text text)
{
	size_t digits = 0;
	while (digits < text.size && text.at[digits] >= '0' && text.at[digits] <= '9')
		digits++;
	return digits;
}

/* Kinds of values, each narrower than config/section.h takes them. */
typedef bool kind(struct text value);

static bool is_truth(struct text value) { return same(value, "true") || same(value, "false"); }
static bool is_mode(struct text value) { return same(value, "off") || same(value, "warn") || same(value, "strict"); }
static bool is_run(struct text value) { return same(value, "run"); }

static bool is_number(struct text value)
{
	size_t digits = count_digits(value);
	return digits > 0 && digits <= 9 && digits == value.size;
}

static bool is_small_number(struct text value) { return is_number(value) && value.size <= 3; }

static bool is_size(struct text value)
{
	size_t digits = count_digits(value);
	struct text unit = from(value, digits);
	return digits > 0 && digits <= 4 && (same(unit, "KiB") || same(unit, "MiB") || same(unit, "GiB"));
}

static bool is_seconds(struct text value)
{
	size_t digits = count_digits(value);
	return digits > 0 && digits <= 2 && value.at[0] != '0' && same(from(value, digits), "s");
}

static bool is_path(struct text value)
{
	for (size_t i = 0; i < value.size; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-", value.at[i]))
			return false;
	return value.size > 1 && value.at[0] == '/';
}

static bool is_audit_file(struct text value)
{
	return is_path(value) || same(value, "journal") || same(value, "stderr");
}

/* Keys that leave the wrapped runtime, the tenants and what a broken config.json leads to as they are. */
static const struct known {
	const char *section; /* "": none */
	const char *key;
	kind *takes;
	bool operators;
} known_keys[] = {
	{"", "trace", is_truth, false},		{"", "mode", is_mode, false},
	{"", "on_unavailable", is_run, false},	{"volumes", "keep", is_number, false},
	{"", "setup_deadline", is_seconds, false},
	{"accesses", "write", is_truth, false}, {"log", "file", is_path, false},
	{"audit", "file", is_audit_file, true}, {"audit", "rotate", is_size, true},
	{"audit", "keep", is_small_number, true},	{"metrics", "socket", is_path, true},
	{"metrics", "textfile", is_path, true},
};
enum { key_count = sizeof(known_keys) / sizeof(known_keys[0]) };

struct layer {
	struct text section;	/* of the lines that follow */
	size_t indent;		/* of its keys; 0: it has none yet */
	bool seen[key_count];
	bool operators;
	struct front_settings *settings;
};

/* A section stands once, or its keys' lines would be of two. */
static bool begin_section(struct layer *layer, struct text name)
{
	bool is_known = false;
	for (size_t i = 0; i < key_count; i++) {
		if (!known_keys[i].section[0] || !same(name, known_keys[i].section))
			continue;
		is_known = true;
		if (layer->seen[i])
			return false;
	}
	layer->section = name;
	layer->indent = 0;
	return is_known;
}

static bool take_value(struct layer *layer, struct text key, struct text value)
{
	for (size_t i = 0; i < key_count; i++) {
		const struct known *known = &known_keys[i];
		if (!same(layer->section, known->section) || !same(key, known->key))
			continue;
		if (layer->seen[i] || (known->operators && !layer->operators) || !known->takes(value))
			return false;
		layer->seen[i] = true;
		if (known->takes == is_mode)
			layer->settings->off = same(value, "off");
		if (!known->section[0] && known->takes == is_truth)
			layer->settings->trace = same(value, "true");
		return true;
	}
	return false;
}

/* "key: value", "section:", with a comment or without. */
static bool take_entry(struct layer *layer, size_t indent, struct text entry)
{
	const char *colon = memchr(entry.at, ':', entry.size);
	if (!colon)
		return false;
	struct text key = {entry.at, (size_t)(colon - entry.at)};
	struct text rest = from(entry, key.size + 1);
	size_t blanks = length_of_blanks(rest);
	struct text value = from(rest, blanks);
	if (value.size && !blanks)
		return false;
	if (value.size && value.at[0] == '#')
		value.size = 0;
	const char *end = memchr(value.at, ' ', value.size);
	if (end) {
		struct text behind = from(value, (size_t)(end - value.at));
		behind = from(behind, length_of_blanks(behind));
		if (behind.size && behind.at[0] != '#')
			return false;
		value.size = (size_t)(end - value.at);
	}
	if (indent == 0) {
		if (layer->section.size && layer->indent == 0)
			return false; /* a section of nothing */
		layer->section = (struct text){"", 0};
		return value.size ? take_value(layer, key, value) : begin_section(layer, key);
	}
	if (!layer->section.size || (layer->indent && layer->indent != indent))
		return false;
	layer->indent = indent;
	return value.size && take_value(layer, key, value);
}

bool front_read_layer(const char *text, size_t size, bool operators, struct front_settings *settings)
{
	struct layer layer = {.section = {"", 0}, .operators = operators, .settings = settings};
	struct text rest = {text, size};
	if (!is_plain_text(rest))
		return false;
	while (rest.size) {
		struct text line = take_line(&rest);
		size_t indent = length_of_blanks(line);
		struct text entry = from(line, indent);
		if (!entry.size || entry.at[0] == '#')
			continue;
		if (!take_entry(&layer, indent, entry))
			return false;
	}
	return !layer.section.size || layer.indent;
}

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
		if (same((struct text){word, (size_t)(equals - word)}, *words))
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
