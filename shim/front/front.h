/* What the parts of the front have of each other; spoor.c says what it is. */
#pragma once

/* Returns, with an exit code, only if there is no spoor-runtime; it has said so then. */
int become_spoor_runtime(char **argv);

/* `spoor hook …` with `words` words in all, at least three. Returns the exit code. */
int run_hook(char **argv, int words);
