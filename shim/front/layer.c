/* Layers of spoor.yaml that are written plainly: certain.h. */
#include <string.h>

#include "certain.h"

struct text {
	const char *at;
	size_t size;
};

static bool same(struct text text, const char *word)
{
	return strlen(word) == text.size && !memcmp(text.at, word, text.size);
}

static struct text from(struct text text, size_t begin)
{
	return (struct text){text.at + begin, text.size - begin};
}

static struct text up_to(struct text text, size_t end)
{
	return (struct text){text.at, end};
}

static size_t length_of_blanks(struct text text)
{
	size_t length = 0;
	while (length < text.size && text.at[length] == ' ')
		length++;
	return length;
}

/* Where `mark` stands, or the end. */
static size_t find(struct text text, char mark)
{
	const char *found = memchr(text.at, mark, text.size);
	return found ? (size_t)(found - text.at) : text.size;
}

static struct text take_line(struct text *text)
{
	struct text line = up_to(*text, find(*text, '\n'));
	*text = from(*text, line.size + (line.size < text->size));
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

/* ------------------------------------------------------------------------------------------------ values */

/* Kinds of values, each narrower than config/section.h takes them. */
typedef bool kind(struct text value);

static size_t count_digits(struct text text)
{
	size_t digits = 0;
	while (digits < text.size && text.at[digits] >= '0' && text.at[digits] <= '9')
		digits++;
	return digits;
}

/* Nine digits fit. */
static unsigned long number(struct text digits)
{
	unsigned long sum = 0;
	for (size_t i = 0; i < digits.size; i++)
		sum = sum * 10 + (unsigned long)(digits.at[i] - '0');
	return sum;
}

static bool is_power_of_two(unsigned long value) { return value && !(value & (value - 1)); }

static bool is_truth(struct text value) { return same(value, "true") || same(value, "false"); }
static bool is_mode(struct text value) { return same(value, "off") || same(value, "warn") || same(value, "strict"); }
static bool is_run(struct text value) { return same(value, "run"); }
static bool is_account(struct text value) { return same(value, "each") || same(value, "together"); }

static bool is_number(struct text value)
{
	size_t digits = count_digits(value);
	return digits > 0 && digits <= 9 && digits == value.size;
}

static bool is_small_number(struct text value) { return is_number(value) && value.size <= 3; }

static bool is_table_size(struct text value)
{
	return is_number(value) && is_power_of_two(number(value)) && number(value) >= 1024 && number(value) <= 1048576;
}

static bool is_size(struct text value)
{
	size_t digits = count_digits(value);
	struct text unit = from(value, digits);
	return digits > 0 && digits <= 4 && (same(unit, "KiB") || same(unit, "MiB") || same(unit, "GiB"));
}

/* From 64 KiB to 1 GiB. */
static bool is_ring_size(struct text value)
{
	if (!is_size(value))
		return false;
	unsigned long count = number(up_to(value, count_digits(value)));
	char unit = value.at[value.size - 3];
	return is_power_of_two(count) && (unit == 'K' ? count >= 64 : unit == 'M' ? count <= 1024 : count == 1);
}

static bool is_seconds(struct text value)
{
	size_t digits = count_digits(value);
	return digits > 0 && digits <= 2 && value.at[0] != '0' && same(from(value, digits), "s");
}

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool has_only(struct text text, const char *characters)
{
	for (size_t i = 0; i < text.size; i++)
		if (!strchr(characters, text.at[i]))
			return false;
	return true;
}

static bool is_path(struct text value)
{
	return value.size > 1 && value.at[0] == '/' && has_only(value, LETTERS_AND_DIGITS "/._-");
}

static bool is_audit_file(struct text value)
{
	return is_path(value) || same(value, "journal") || same(value, "stderr");
}

static bool is_name(struct text value)
{
	return value.size > 0 && value.size <= 64 && has_only(up_to(value, 1), LETTERS_AND_DIGITS) &&
	       has_only(value, LETTERS_AND_DIGITS "_.-") && !same(value, "null") && !same(value, "Null") && !same(value, "NULL");
}

static bool is_id_range(struct text word)
{
	size_t dash = find(word, '-');
	struct text first = up_to(word, dash), last = dash < word.size ? from(word, dash + 1) : first;
	return is_number(first) && is_number(last) && number(first) <= number(last);
}

static bool is_glob(struct text word)
{
	if (word.size < 3 || word.at[0] != '"' || word.at[word.size - 1] != '"')
		return is_path(word);
	struct text glob = up_to(from(word, 1), word.size - 2);
	return (glob.at[0] == '/' || glob.at[0] == '*') && has_only(glob, LETTERS_AND_DIGITS "/._-*?");
}

/* One in which a container is traced. */
static bool is_traced_mode(struct text word) { return same(word, "warn") || same(word, "strict"); }

/* One word, or a list of at least one in brackets. */
static bool are_all(struct text value, kind *is_one)
{
	if (value.at[0] != '[')
		return is_one(value);
	struct text rest = from(value, 1);
	while (rest.size) {
		size_t end = find(rest, ',');
		bool is_last = end == rest.size;
		if (is_last && rest.at[--end] != ']')
			return false;
		if (!is_one(up_to(rest, end)))
			return false;
		rest = from(rest, end + 1);
		if (is_last)
			return true;
		rest = from(rest, length_of_blanks(rest));
	}
	return false;
}

static bool are_id_ranges(struct text value) { return are_all(value, is_id_range); }
static bool are_globs(struct text value) { return are_all(value, is_glob); }
static bool are_traced_modes(struct text value) { return are_all(value, is_traced_mode); }

/* -------------------------------------------------------------------------------------------------- keys */

static const char of_rules[] = "tenants";

/*
 * Keys that leave the wrapped runtime and what a broken config.json leads to as they are. A rule may limit modes to those in which a
 * container is traced.
 */
static const struct known {
	const char *section; /* "": none */
	const char *key;
	kind *takes;
	bool operators;
} known_keys[] = {
	{"", "trace", is_truth, false},
	{"", "mode", is_mode, false},
	{"", "on_unavailable", is_run, false},
	{"", "setup_deadline", is_seconds, false},
	{"volumes", "keep", is_number, false},
	{"accesses", "write", is_truth, false},
	{"log", "file", is_path, false},
	{"audit", "file", is_audit_file, true},
	{"audit", "rotate", is_size, true},
	{"audit", "keep", is_small_number, true},
	{"metrics", "socket", is_path, true},
	{"metrics", "textfile", is_path, true},
	{of_rules, "name", is_name, true},
	{of_rules, "uid", are_id_ranges, true},
	{of_rules, "gid", are_id_ranges, true},
	{of_rules, "cgroup", are_globs, true},
	{of_rules, "account", is_account, true},
	{of_rules, "containers", is_number, true},
	{of_rules, "ring_bytes", is_size, true},
	{of_rules, "ring_bytes_each", is_ring_size, true},
	{of_rules, "dedupe_entries", is_number, true},
	{of_rules, "dedupe_entries_each", is_table_size, true},
	{of_rules, "connections", is_number, true},
	{of_rules, "requests", is_number, true},
	{of_rules, "modes", are_traced_modes, true},
};
enum { key_count = sizeof(known_keys) / sizeof(known_keys[0]), rules_max = 64 };

struct layer {
	struct text section;	/* of the lines that follow */
	size_t indent;		/* of its keys, or of its rules' dashes; 0: it has none yet */
	bool seen[key_count];	/* of rules: in this one */
	size_t rule_indent;	/* of the keys of a rule */
	struct text rules[rules_max]; /* their names */
	size_t rule_count;
	bool is_for_everybody;	/* the last rule */
	bool operators;
	struct front_settings *settings;
};

static bool within_rules(const struct layer *layer) { return same(layer->section, of_rules); }

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
		if (known->takes == is_name)
			layer->rules[layer->rule_count - 1] = value;
		if (known->takes == are_traced_modes)
			layer->settings->limits_modes = true;
		if (known->takes == are_id_ranges || known->takes == are_globs)
			layer->is_for_everybody = false;
		return true;
	}
	return false;
}

/* What config/tenants_section.cc wants of a rule and those before it. */
static bool rule_is_whole(const struct layer *layer)
{
	struct text name = layer->rules[layer->rule_count - 1];
	for (size_t i = 0; i + 1 < layer->rule_count; i++)
		if (layer->rules[i].size == name.size && !memcmp(layer->rules[i].at, name.at, name.size))
			return false;
	return name.size && (layer->is_for_everybody || !same(name, "default"));
}

/* None comes after one that is for everybody. */
static bool begin_rule(struct layer *layer)
{
	if (layer->rule_count == rules_max || (layer->rule_count && (!rule_is_whole(layer) || layer->is_for_everybody)))
		return false;
	layer->rules[layer->rule_count++] = (struct text){"", 0};
	layer->is_for_everybody = true;
	for (size_t i = 0; i < key_count; i++)
		layer->seen[i] = layer->seen[i] && strcmp(known_keys[i].section, of_rules);
	return true;
}

/* ------------------------------------------------------------------------------------------------- lines */

/* "key: value" or "key:", with a comment or without. */
static bool split(struct text entry, struct text *key, struct text *value)
{
	size_t colon = find(entry, ':');
	if (colon == entry.size)
		return false;
	*key = up_to(entry, colon);
	struct text rest = from(entry, colon + 1);
	size_t blanks = length_of_blanks(rest);
	*value = from(rest, blanks);
	if (value->size && !blanks)
		return false;
	if (value->size && value->at[0] == '#')
		value->size = 0;
	size_t end = find(*value, ' ');
	if (value->size && value->at[0] == '[') {
		end = find(*value, ']');
		end += end < value->size;
	}
	struct text behind = from(*value, end);
	blanks = length_of_blanks(behind);
	value->size = end;
	return blanks == behind.size || (blanks && behind.at[blanks] == '#');
}

static bool section_is_whole(const struct layer *layer)
{
	return !layer->section.size || (layer->indent && (!within_rules(layer) || rule_is_whole(layer)));
}

/* What stands behind the dash is the rule's first key, and gives the indentation of the others. */
static bool take_dash(struct layer *layer, size_t *indent, struct text *entry)
{
	size_t width = 1 + length_of_blanks(from(*entry, 1));
	if (width == 1 || (layer->indent && layer->indent != *indent) || !begin_rule(layer))
		return false;
	layer->indent = *indent;
	*indent += width;
	*entry = from(*entry, width);
	layer->rule_indent = *indent;
	return true;
}

static bool take_entry(struct layer *layer, size_t indent, struct text entry)
{
	struct text key, value;
	if (indent > 0 && within_rules(layer) && entry.at[0] == '-' && !take_dash(layer, &indent, &entry))
		return false;
	if (!split(entry, &key, &value))
		return false;
	if (indent == 0) {
		if (!section_is_whole(layer))
			return false;
		layer->section = (struct text){"", 0};
		return value.size ? take_value(layer, key, value) : begin_section(layer, key);
	}
	if (within_rules(layer))
		return indent == layer->rule_indent && value.size && take_value(layer, key, value);
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
	return section_is_whole(&layer);
}
