/*
 * spoor, as container managers call it: what of it needs no parser, in front of spoor-runtime.
 *
 * A manager calls its runtime some five times for a container, and the runtime calls spoor's two hooks. Most of
 * these calls are passed on as they came. A start of glibc reads the processor's description with many CPUID
 * instructions, each of which a virtual machine's host has to answer (`./dev bench drop-in` prints what that
 * comes to). musl has no need of them.
 *
 * Whatever is unusual here (an option, a configuration that might name another runtime, an answer that is no
 * success, a failed call) is left to spoor-runtime, which then sees what this program saw: the same arguments,
 * environment, descriptors and bytes on stdin. So nothing here prints or decides an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certain.h"
#include "front.h"

extern char **environ;

/* config/config.h: the default of `runtime`. */
static char default_runtime[] = "/usr/bin/crun";

/* ------------------------------------------------------------------------------------- spoor-runtime */

static bool can_be_executed(char *path, size_t room, const char *directory, size_t length, const char *rest)
{
	return snprintf(path, room, "%.*s%s", (int)length, directory, rest) < (int)room && access(path, X_OK) == 0;
}

/* Beside this program, as it is built, or where it is installed. */
bool find_spoor_runtime(char *path, size_t room)
{
	char own[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", own, sizeof(own));
	if (size > 0 && (size_t)size < sizeof(own)) {
		size_t length = (size_t)size;
		while (own[length - 1] != '/')
			length--;
		if (can_be_executed(path, room, own, length, "spoor-runtime") ||
		    can_be_executed(path, room, own, length, "../libexec/spoor/spoor-runtime"))
			return true;
	}
	return can_be_executed(path, room, "/usr", 4, "/libexec/spoor/spoor-runtime");
}

int become_spoor_runtime(char **argv)
{
	char path[PATH_MAX];
	if (find_spoor_runtime(path, sizeof(path)))
		execve(path, argv, environ);
	static const char text[] = "spoor: cannot execute spoor-runtime, which belongs beside spoor or into "
				   "libexec/spoor: install spoor anew\n";
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	return 1;
}

/* --------------------------------------------------------------------------------- verbs that are passed on */

/* Spoor acts upon these; a word that is one somewhere else is looked at once more by who can tell. */
static bool may_be_traced(char **argv)
{
	for (char **word = argv; *word; word++)
		if (!strcmp(*word, "create") || !strcmp(*word, "run") || !strcmp(*word, "restore"))
			return true;
	return false;
}

/* No line but a comment has the name of the key. YAML can spell it otherwise by escapes and in UTF-16. */
static bool names_no_runtime(const char *text, size_t size)
{
	if (memchr(text, '\0', size) || memchr(text, '\\', size))
		return false;
	for (const char *end = text + size; text < end;) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		if (!stop)
			stop = end;
		while (text < stop && (*text == ' ' || *text == '\t'))
			text++;
		if (text < stop && *text != '#' && memmem(text, (size_t)(stop - text), "runtime", 7))
			return false;
		text = stop + 1;
	}
	return true;
}

/* The layers of config/config.h, the operator's first; `file[layer_named]` must exist if it is one. */
enum { layer_operators, layer_users, layer_named, layer_count };
struct layers {
	const char *file[layer_count]; /* NULL: there is none */
	char users[PATH_MAX];
};

static bool find_layers(struct layers *layers)
{
	const char *config_home = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	const char *named = getenv("SPOOR_CONFIG");
	int length = 0;
	if (config_home && *config_home == '/')
		length = snprintf(layers->users, sizeof(layers->users), "%s/spoor/spoor.yaml", config_home);
	else if (!(config_home && *config_home) && home && *home == '/')
		length = snprintf(layers->users, sizeof(layers->users), "%s/.config/spoor/spoor.yaml", home);
	layers->file[layer_operators] = "/etc/spoor/spoor.yaml";
	layers->file[layer_users] = length > 0 ? layers->users : NULL;
	layers->file[layer_named] = named && *named ? named : NULL;
	return length >= 0 && length < (int)sizeof(layers->users);
}

struct contents {
	char *text;
	size_t size;
	size_t room;
	bool exists;
};

/* False if it cannot be had as a whole. A fifo is empty, as to spoor-runtime. */
static bool read_file(const char *file, struct contents *contents)
{
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	contents->size = 0;
	contents->exists = fd >= 0;
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR;
	ssize_t size;
	do {
		size = read(fd, contents->text + contents->size, contents->room - contents->size);
		if (size > 0)
			contents->size += (size_t)size;
	} while ((size > 0 && contents->size < contents->room) || (size < 0 && errno == EINTR));
	close(fd);
	return size == 0;
}

static bool wraps_default(void)
{
	static char text[16384];
	struct layers layers;
	struct contents contents = {.text = text, .room = sizeof(text)};
	if (!find_layers(&layers))
		return false;
	for (int i = 0; i < layer_count; i++)
		if (layers.file[i] &&
		    (!read_file(layers.file[i], &contents) || !names_no_runtime(text, contents.size)))
			return false;
	return true;
}

static void become_default_runtime(char **argv)
{
	char *name = argv[0];
	argv[0] = default_runtime;
	execve(default_runtime, argv, environ);
	argv[0] = name;
}

/* ---------------------------------------------------------------------------- containers */

static bool take_layers(struct front_settings *settings)
{
	static char text[16384];
	struct layers layers;
	struct contents contents = {.text = text, .room = sizeof(text)};
	if (!find_layers(&layers))
		return false;
	for (int i = 0; i < layer_count; i++) {
		if (!layers.file[i])
			continue;
		if (!read_file(layers.file[i], &contents) || (i == layer_named && !contents.exists) ||
		    !front_read_layer(text, contents.size, i == layer_operators, settings))
			return false;
	}
	return true;
}

/* What is no file is only looked at: who writes into a fifo would notice. */
static bool read_spec(const char *bundle, struct contents *spec)
{
	char file[PATH_MAX];
	struct stat st;
	return snprintf(file, sizeof(file), "%s/config.json", bundle) < (int)sizeof(file) && !stat(file, &st) &&
	       S_ISREG(st.st_mode) && read_file(file, spec) && spec->exists;
}

/* certain.h: if in doubt this returns. */
static void start_container(char **argv)
{
	static char text[1024 * 1024];
	struct contents spec = {.text = text, .room = sizeof(text)};
	struct front_settings settings = {.trace = true};
	struct front_asked asked;
	const char *bundle = front_bundle(argv);
	if (!bundle || !take_layers(&settings) || !read_spec(bundle, &spec))
		return;
	if (front_is_not_traced(&settings, front_read_spec(text, spec.size)))
		become_default_runtime(argv);
	else if (front_spec_is_fit(text, spec.size, &asked) && front_is_traced(&settings, &asked))
		become_meanwhile(default_runtime, argv, text, spec.size, &asked);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "hook"))
		return run_hook(argv, argc);
	if (argc > 0 && may_be_traced(argv))
		start_container(argv);
	else if (argc > 0 && wraps_default())
		become_default_runtime(argv);
	return become_spoor_runtime(argv);
}
