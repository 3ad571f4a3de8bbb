/* What the parts of the front have of each other; spoor.c says what it is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* False if there is none that can be executed. */
bool find_spoor_runtime(char *path, size_t room);

/* Returns, with an exit code, only if there is no spoor-runtime; it has said so then. */
int become_spoor_runtime(char **argv);

/* `spoor hook …` with `words` words in all, at least three. Returns the exit code. */
int run_hook(char **argv, int words);

struct front_asked;

/*
 * Becomes `runtime` with the arguments `argv`, a command line that front_bundle() takes, and the option for an augmented copy of
 * `spec`, a fit one that asks for what `asked` says (certain.h), which a spoor-runtime writes meanwhile. Returns if that cannot be had;
 * nothing has happened then.
 */
void become_meanwhile(char *runtime, char **argv, const char *spec, size_t size, const struct front_asked *asked);

/* Printable characters of ASCII only: what can stand in a spec. */
bool is_plain(const char *name);

/*
 * Where the state is kept, as shim/runtime/environment.cc has it without a setting; false if it does not fit, or is
 * not plain.
 */
bool find_state_root(char *root, size_t room);

/*
 * That the directory at `path` can be had for a volume, as far as can be seen without making anything; spoor-runtime
 * (shim/runtime/volume_choice.h) says what is wrong with one that cannot. `root`: of the state.
 */
bool own_volume_can_be_had(const char *root);
bool volume_can_be_had(const char *path, const char *root);
