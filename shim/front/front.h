/* What the parts of the front have of each other; spoor.c says what it is. */
#pragma once

#include <stddef.h>

/* Returns if there is none. */
void try_spoor_runtime(char **argv);

/* Returns, with an exit code, only if there is no spoor-runtime; it has said so then. */
int become_spoor_runtime(char **argv);

/* `spoor hook …` with `words` words in all, at least three. Returns the exit code. */
int run_hook(char **argv, int words);

/*
 * Becomes `runtime` with the arguments `argv`, a command line that front_bundle() takes, and the option for an augmented copy of
 * `spec`, a fit one (certain.h), which a spoor-runtime writes meanwhile. Returns if that cannot be had; nothing has happened then.
 */
void become_meanwhile(char *runtime, char **argv, const char *spec, size_t size);
