/*
 * What the front can tell without a parser: whether a container is certainly not traced, or certainly one that can be.
 *
 * Each function here answers "certain" only for input that is written plainly; spoor-runtime, with its parsers,
 * decides all else. So a mistake may only be one of too much doubt: where these say "untraced", load_config() has
 * no error, names no other runtime than the default one and no rule that forces annotations or on_unavailable, and
 * set_up_tracing() leaves the container untouched; where they say "fit", none of the two complains of the spec or its
 * annotations. tests/unit/runtime/front_*test.cc and tests/fuzz/front.cc hold them to that.
 *
 * No function allocates, writes or keeps anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the layers of spoor.yaml say of what matters; config/config.h has the defaults. */
struct front_settings {
	bool trace;
	bool off; /* mode: off */
	bool limits_modes; /* a tenants' rule does, to such in which a container is traced */
};

/*
 * Takes one layer: false, and `settings` then means nothing, unless every line is blank, a comment, or one of the keys
 * that this knows with a plain value. `operators`: the layer is /etc/spoor/spoor.yaml, which may say more.
 */
bool front_read_layer(const char *text, size_t size, bool operators, struct front_settings *settings);

/* What a config.json says of tracing. */
enum front_wish {
	front_doubt, /* ask spoor-runtime */
	front_silent, /* it has no annotation of spoor's */
	front_off, /* its only annotation of spoor's is io.spoor.trace=false or io.spoor.mode=off */
};

enum front_wish front_read_spec(const char *text, size_t size);

enum front_answer { front_unsaid, front_no, front_yes };

/* What a container's annotations of spoor's ask for. Paths point into the spec, clean (clean_absolute_path()), with no NUL behind. */
struct front_asked {
	enum front_answer trace;
	enum front_answer off; /* io.spoor.mode=off; front_no: another mode */
	const char *volume; /* NULL: none */
	size_t volume_size;
	const char *mount; /* NULL: none */
	size_t mount_size;
};

/* That a container with such a config.json is not traced, whichever rule there is for it. */
bool front_is_not_traced(const struct front_settings *settings, enum front_wish wish);

/*
 * That a config.json is one that parse_spec() takes and augment_spec() can add to: it begins with a brace, is JSON of
 * ASCII characters and whole numbers, and has what spoor-runtime insists on. And that read_annotations() takes its annotations, which
 * `asked` then has, and no mount in it is at the place of the volume, or has a name of it in its destination.
 */
bool front_spec_is_fit(const char *text, size_t size, struct front_asked *asked);

/* That a container is traced, as choice_for() has it, whichever rule there is for it. */
bool front_is_traced(const struct front_settings *settings, const struct front_asked *asked);

/*
 * The value of --bundle, "." without one, of a `create` or `run` with options that this knows, each written out, and one
 * container ID at the end. Else NULL. Points into `argv`, which ends with NULL.
 */
const char *front_bundle(char *const argv[]);

#ifdef __cplusplus
}
#endif
