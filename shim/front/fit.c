#include <string.h>

#include "certain.h"

/* Objects of a config.json in which spoor-runtime looks for members, and all others. */
enum place { elsewhere, whole, root, hooks, mount, annotations };

enum { depth_max = 64 };

static const char ours[] = "io.spoor.";

struct word {
	const char *at; /* behind the quote */
	size_t size;
};

struct reader {
	const char *at;
	const char *end;
	int depth;
	struct word taken; /* no mount's destination may have this in it */
	struct front_asked *asked;
};

static bool read_value(struct reader *reader, enum place place);

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4))
		reader->at++;
}

static bool next_is(const struct reader *reader, char wanted)
{
	return reader->at < reader->end && *reader->at == wanted;
}

static bool take(struct reader *reader, char wanted)
{
	if (!next_is(reader, wanted))
		return false;
	reader->at++;
	return true;
}

static bool is_digit(const struct reader *reader)
{
	return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static bool is_hexadecimal(char letter)
{
	return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f') || (letter >= 'A' && letter <= 'F');
}

/* Behind the backslash. Of the characters by number those that are no half of another. */
static bool read_escape(struct reader *reader)
{
	if (reader->at == reader->end)
		return false;
	char letter = *reader->at++;
	if (letter != 'u')
		return memchr("\"\\/bfnrt", letter, 8) != NULL;
	if (reader->end - reader->at < 4 || reader->at[0] == 'd' || reader->at[0] == 'D')
		return false;
	for (int i = 0; i < 4; i++)
		if (!is_hexadecimal(*reader->at++))
			return false;
	return true;
}

/* ASCII only, so that no encoding can be wrong. `plain`: it has no escape. */
static bool read_string(struct reader *reader, struct word *word, bool *plain)
{
	if (!take(reader, '"'))
		return false;
	word->at = reader->at;
	*plain = true;
	while (reader->at < reader->end) {
		char letter = *reader->at++;
		if (letter == '"') {
			word->size = (size_t)(reader->at - 1 - word->at);
			return true;
		}
		if (letter < ' ' || letter > '~')
			return false;
		if (letter == '\\') {
			*plain = false;
			if (!read_escape(reader))
				return false;
		}
	}
	return false;
}

static bool read_digits(struct reader *reader)
{
	enum { digits_max = 18 }; /* fits into 64 bits */
	int digits = 0;
	bool zero = next_is(reader, '0');
	for (; is_digit(reader); reader->at++)
		digits++;
	return digits > 0 && digits <= digits_max && !(zero && digits > 1);
}

/* A whole one; others are rare, and may be out of range. */
static bool read_number(struct reader *reader)
{
	take(reader, '-');
	return read_digits(reader) && (reader->at == reader->end || !memchr(".eE", *reader->at, 3));
}

static bool read_literal(struct reader *reader)
{
	static const char *const literals[] = {"true", "false", "null"};
	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		size_t size = strlen(literals[i]);
		if ((size_t)(reader->end - reader->at) >= size && !memcmp(reader->at, literals[i], size)) {
			reader->at += size;
			return true;
		}
	}
	return false;
}

/* The value of a member that is a string without an escape, and not empty. */
static bool read_plain(struct reader *reader, struct word *word)
{
	bool plain;
	return read_string(reader, word, &plain) && plain && word->size;
}

static bool is_word(struct word word, const char *text)
{
	return strlen(text) == word.size && !memcmp(text, word.at, word.size);
}

/* As clean_absolute_path() leaves it. */
static bool is_clean_path(struct word path)
{
	const char *end = path.at + path.size;
	for (const char *at = path.at; at < end;) {
		if (*at++ != '/')
			return false;
		struct word name = {at, 0};
		while (at < end && *at != '/')
			at++;
		name.size = (size_t)(at - name.at);
		if (!name.size || is_word(name, ".") || is_word(name, ".."))
			return false;
	}
	return true;
}

/* oci/annotations.cc, in each place narrower. */
static bool read_annotation(struct front_asked *asked, struct word name, struct word value)
{
	if (is_word(name, "io.spoor.trace")) {
		asked->trace = is_word(value, "true") ? front_yes : front_no;
		return asked->trace == front_yes || is_word(value, "false");
	}
	if (is_word(name, "io.spoor.mode")) {
		asked->off = is_word(value, "off") ? front_yes : front_no;
		return asked->off == front_yes || is_word(value, "warn") || is_word(value, "strict");
	}
	if (is_word(name, "io.spoor.volume")) {
		asked->volume = value.at;
		asked->volume_size = value.size;
		return is_clean_path(value);
	}
	if (is_word(name, "io.spoor.mount")) {
		asked->mount = value.at;
		asked->mount_size = value.size;
		return is_clean_path(value);
	}
	return false;
}

static bool read_array(struct reader *reader, enum place place);

static bool read_mounts(struct reader *reader)
{
	if (!next_is(reader, '['))
		return read_value(reader, elsewhere); /* none, to the parsers as well */
	return read_array(reader, mount);
}

/* Members that mean something, each at most once in its object. */
static const struct member {
	enum place place;
	const char *key;
	bool required;
	enum { a_name, a_mount_point, the_mounts, an_annotation, an_object } kind;
	enum place object; /* what it is if it is one */
} members[] = {
	{whole, "ociVersion", true, a_name, elsewhere},	 {whole, "root", false, an_object, root},
	{whole, "mounts", false, the_mounts, elsewhere}, {whole, "hooks", false, an_object, hooks},
	{whole, "annotations", false, an_object, annotations}, {whole, "linux", false, an_object, elsewhere},
	{root, "path", true, a_name, elsewhere},	 {mount, "destination", true, a_mount_point, elsewhere},
	{hooks, "createRuntime", false, an_object, elsewhere}, {hooks, "poststop", false, an_object, elsewhere},
	{annotations, "io.spoor.trace", false, an_annotation, elsewhere},
	{annotations, "io.spoor.mode", false, an_annotation, elsewhere},
	{annotations, "io.spoor.volume", false, an_annotation, elsewhere},
	{annotations, "io.spoor.mount", false, an_annotation, elsewhere},
};
enum { member_count = sizeof(members) / sizeof(members[0]) };

static bool read_member_value(struct reader *reader, const struct member *member, struct word key)
{
	struct word value;
	if (!member)
		return read_value(reader, elsewhere);
	switch (member->kind) {
	case a_name:
		return read_plain(reader, &value);
	case a_mount_point:
		/* A mount of the user's own at the volume's place is spoor-runtime's to judge. */
		return read_plain(reader, &value) &&
		       !memmem(value.at, value.size, reader->taken.at, reader->taken.size);
	case an_annotation:
		return read_plain(reader, &value) && read_annotation(reader->asked, key, value);
	case the_mounts:
		return read_mounts(reader);
	case an_object:
		break;
	}
	return read_value(reader, member->object);
}

static bool read_member(struct reader *reader, enum place place, bool *seen)
{
	struct word key;
	bool plain;
	const struct member *found = NULL;
	if (!read_string(reader, &key, &plain) || (place != elsewhere && !plain))
		return false;
	for (int i = 0; i < member_count; i++) {
		if (members[i].place != place || strlen(members[i].key) != key.size ||
		    memcmp(members[i].key, key.at, key.size))
			continue;
		if (seen[i])
			return false;
		seen[i] = true;
		found = &members[i];
	}
	/* One that is none of spoor's is an error, which names it. */
	if (place == annotations && !found && key.size >= sizeof(ours) - 1 && !memcmp(key.at, ours, sizeof(ours) - 1))
		return false;
	skip_blanks(reader);
	if (!take(reader, ':'))
		return false;
	skip_blanks(reader);
	return read_member_value(reader, found, key);
}

static bool read_object(struct reader *reader, enum place place)
{
	bool seen[member_count] = {false};
	reader->at++;
	skip_blanks(reader);
	if (!take(reader, '}')) {
		do {
			skip_blanks(reader);
			if (!read_member(reader, place, seen))
				return false;
			skip_blanks(reader);
		} while (take(reader, ','));
		if (!take(reader, '}'))
			return false;
	}
	for (int i = 0; i < member_count; i++)
		if (place != elsewhere && members[i].place == place && members[i].required && !seen[i])
			return false;
	return true;
}

/* `place`: what its elements are; all are objects, but elsewhere. */
static bool read_array(struct reader *reader, enum place place)
{
	reader->at++;
	skip_blanks(reader);
	if (take(reader, ']'))
		return true;
	do {
		skip_blanks(reader);
		if ((place != elsewhere && !next_is(reader, '{')) || !read_value(reader, place))
			return false;
		skip_blanks(reader);
	} while (take(reader, ','));
	return take(reader, ']');
}

/* `place`: what the value is if it is an object. */
static bool read_value(struct reader *reader, enum place place)
{
	struct word word;
	bool plain, read;
	if (reader->at == reader->end || reader->depth == depth_max)
		return false;
	reader->depth++;
	switch (*reader->at) {
	case '{':
		read = read_object(reader, place);
		break;
	case '[':
		read = read_array(reader, elsewhere);
		break;
	case '"':
		read = read_string(reader, &word, &plain);
		break;
	case 't':
	case 'f':
	case 'n':
		read = read_literal(reader);
		break;
	default:
		read = read_number(reader);
	}
	reader->depth--;
	return read;
}

/* The last name of a clean path, with its slash. */
static struct word last_name(const char *path, size_t size)
{
	const char *slash = memrchr(path, '/', size);
	return (struct word){slash, (size_t)(path + size - slash)};
}

static bool read_whole(const char *text, size_t size, struct word taken, struct front_asked *asked)
{
	struct reader reader = {text, text + size, 0, taken, asked};
	*asked = (struct front_asked){0};
	if (!next_is(&reader, '{') || !read_value(&reader, whole))
		return false;
	skip_blanks(&reader);
	return reader.at == reader.end;
}

bool front_spec_is_fit(const char *text, size_t size, struct front_asked *asked)
{
	static const struct word usual = {"/spoor", 6}; /* config/config.h: mount */
	if (!read_whole(text, size, usual, asked))
		return false;
	/* Mounts stand before annotations. */
	return !asked->mount || read_whole(text, size, last_name(asked->mount, asked->mount_size), asked);
}

bool front_is_traced(const struct front_settings *settings, const struct front_asked *asked)
{
	bool trace = asked->trace ? asked->trace == front_yes : settings->trace;
	bool off = asked->off ? asked->off == front_yes : settings->off;
	bool may_be_forbidden = settings->limits_modes && asked->off;
	return trace && !off && !may_be_forbidden;
}
