/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A declaration as a table that is walked with a path, without memory of its own and without trusting the
 * table: made by signal/declaration/path_table.cc, walked by the programs in the kernel (bpf/refusal.bpf.h) and
 * by tests. Plain C, compiled by both compilers. Host byte order; the table lives no longer than its session.
 *
 * A path is read twice. First its bytes, from the last to the first: each name becomes its class (which of the
 * declaration's wildcard names match it, told by a deterministic automaton that reads backwards) and a hash.
 * Then its names, from the first to the last: each leads from a place to the next, by the hash if the
 * declaration spells the name at that place, else by the class. A place knows what holds for the path that
 * ends there (enum spoor_verdict).
 *
 * Every access to the table goes through an offset that is masked to the window, so that a table of any
 * content gives some answer, and nothing else. The hash makes a name look like another one once in 2^48; the
 * answer is then that of the other. A table may say "refuse" for what its author likes: it is the author's own
 * processes that are refused.
 */
#ifndef SPOOR_BASE_PATH_TABLE_H
#define SPOOR_BASE_PATH_TABLE_H

/* What a table, and all tables of a session, lie in: a power of two. */
#define SPOOR_WINDOW_BYTES (1u << 20)
/* Deeper paths are not judged. */
#define SPOOR_PATH_NAMES_MAX 256u
/* Steps of linear probing. */
#define SPOOR_PROBES_MAX 8u

enum spoor_verdict {
    SPOOR_REFUSE_READ = 1 << 0,
    SPOOR_REFUSE_WRITE = 1 << 1,
};

/* A table's beginning. Offsets are bytes from it. */
struct spoor_path_table {
    unsigned int bytes;        /* all of it, from its beginning */
    unsigned int columns;      /* of name_steps */
    unsigned int name_steps;   /* unsigned short [states][columns]: the next state; state 0 is a name's end */
    unsigned int name_classes; /* unsigned short [states] */
    unsigned int classes;
    unsigned int places;      /* struct spoor_place [] */
    unsigned int rows;        /* unsigned short [][classes]: the next place */
    unsigned int literals;    /* struct spoor_literal [literal_mask + 1] */
    unsigned int literal_mask;
    unsigned int root;        /* the place of "/" */
    unsigned int reserved[2];
    unsigned char column_of[256]; /* of a byte */
};

struct spoor_place {
    unsigned short row;
    unsigned short verdict; /* enum spoor_verdict */
};

/* A name that the declaration spells at a place. */
struct spoor_literal {
    unsigned int hash;    /* of the name, the upper half */
    unsigned short from;
    unsigned short to;    /* SPOOR_NO_PLACE: the entry is free */
};
#define SPOOR_NO_PLACE 0xffffu

/* A name as the first reading leaves it: the hash above, the class in the lowest 16 bits. */
#define SPOOR_NAME_HASH_BEGIN 0x243f6a8885a308d3ULL
#define SPOOR_NAME_HASH_STEP(hash, byte) ((((hash) ^ (byte)) * 0x9e3779b97f4a7c15ULL) ^ ((hash) >> 29))
#define SPOOR_NAME_OF(hash, name_class) (((hash) & ~0xffffULL) | (name_class))

#ifdef __bpf__
#define SPOOR_TABLE_INLINE static __always_inline
#else
#define SPOOR_TABLE_INLINE static inline
#endif

/* A tenant may write to the window meanwhile: what is checked has to be what is used. */
SPOOR_TABLE_INLINE unsigned int spoor_window_u32(const char *window, unsigned int offset)
{
    return *(const volatile unsigned int *)(window + (offset & (SPOOR_WINDOW_BYTES - 4)));
}

SPOOR_TABLE_INLINE unsigned int spoor_window_u16(const char *window, unsigned int offset)
{
    return *(const volatile unsigned short *)(window + (offset & (SPOOR_WINDOW_BYTES - 2)));
}

SPOOR_TABLE_INLINE unsigned int spoor_window_u8(const char *window, unsigned int offset)
{
    return *(const volatile unsigned char *)(window + (offset & (SPOOR_WINDOW_BYTES - 1)));
}

#define SPOOR_TABLE_FIELD(window, table, field)                                                                    \
    spoor_window_u32(window, (table) + (unsigned int)__builtin_offsetof(struct spoor_path_table, field))

/* What the first reading needs of a table whose offset in the window is `table`. */
struct spoor_name_reading {
    unsigned long long hash;
    unsigned int table;
    unsigned int columns;
    unsigned int name_steps;
    unsigned int name_classes;
    unsigned int state;
    unsigned int reserved;
};

SPOOR_TABLE_INLINE void spoor_begin_name(struct spoor_name_reading *reading)
{
    reading->state = 0;
    reading->hash = SPOOR_NAME_HASH_BEGIN;
}

SPOOR_TABLE_INLINE void spoor_begin_names(struct spoor_name_reading *reading, const char *window, unsigned int table)
{
    reading->table = table;
    reading->columns = SPOOR_TABLE_FIELD(window, table, columns);
    reading->name_steps = table + SPOOR_TABLE_FIELD(window, table, name_steps);
    reading->name_classes = table + SPOOR_TABLE_FIELD(window, table, name_classes);
    reading->reserved = 0;
    spoor_begin_name(reading);
}

/* One byte further to the left within a name. */
SPOOR_TABLE_INLINE void spoor_read_byte(struct spoor_name_reading *reading, const char *window, unsigned char byte)
{
    unsigned int column = spoor_window_u8(
        window, reading->table + (unsigned int)__builtin_offsetof(struct spoor_path_table, column_of) + byte);

    reading->state = spoor_window_u16(window, reading->name_steps + 2 * (reading->state * reading->columns + column));
    reading->hash = SPOOR_NAME_HASH_STEP(reading->hash, byte);
}

/* The name that has been read to its first byte. */
SPOOR_TABLE_INLINE unsigned long long spoor_name_read(const struct spoor_name_reading *reading, const char *window)
{
    return SPOOR_NAME_OF(reading->hash, spoor_window_u16(window, reading->name_classes + 2 * reading->state));
}

/* Where an entry for `name` at `place` is looked for first; not yet masked. */
SPOOR_TABLE_INLINE unsigned int spoor_literal_at(unsigned int place, unsigned long long name)
{
    return (unsigned int)(name >> 16) ^ place * 0x9e3779b1u;
}

/* The second reading. */
struct spoor_place_walk {
    unsigned int place;
    unsigned int places;
    unsigned int classes;
    unsigned int rows;
    unsigned int literals;
    unsigned int literal_mask;
};

SPOOR_TABLE_INLINE void spoor_begin_places(struct spoor_place_walk *walk, const char *window, unsigned int table)
{
    walk->place = SPOOR_TABLE_FIELD(window, table, root);
    walk->places = table + SPOOR_TABLE_FIELD(window, table, places);
    walk->classes = SPOOR_TABLE_FIELD(window, table, classes);
    walk->rows = table + SPOOR_TABLE_FIELD(window, table, rows);
    walk->literals = table + SPOOR_TABLE_FIELD(window, table, literals);
    walk->literal_mask = SPOOR_TABLE_FIELD(window, table, literal_mask);
}

SPOOR_TABLE_INLINE void spoor_enter_name(struct spoor_place_walk *walk, const char *window, unsigned long long name)
{
    unsigned int at = spoor_literal_at(walk->place, name), row;

#ifdef __bpf__
#pragma unroll
#endif
    for (unsigned int i = 0; i < SPOOR_PROBES_MAX; i++) {
        unsigned int entry =
            walk->literals + ((at + i) & walk->literal_mask) * (unsigned int)sizeof(struct spoor_literal);
        unsigned int to = spoor_window_u16(window, entry + 6);

        if (to == SPOOR_NO_PLACE)
            break;
        if (spoor_window_u32(window, entry) == (unsigned int)(name >> 32) &&
            spoor_window_u16(window, entry + 4) == walk->place) {
            walk->place = to;
            return;
        }
    }
    row = spoor_window_u16(window, walk->places + walk->place * (unsigned int)sizeof(struct spoor_place));
    walk->place = spoor_window_u16(
        window, walk->rows + 2 * (row * walk->classes + (unsigned int)(name & 0xffff)));
}

SPOOR_TABLE_INLINE unsigned int spoor_verdict_here(const struct spoor_place_walk *walk, const char *window)
{
    return spoor_window_u16(window, walk->places + walk->place * (unsigned int)sizeof(struct spoor_place) + 2);
}

/* The beginning of the window: which table holds for which task. A process carries the number of its slot and
 * the slot's generation (struct spoor_process). A table is replaced, and its bytes are used again, only after
 * `sequence` has been raised, and a refusal stands only if it has not been by the end of the walk. */
#define SPOOR_REFUSAL_SLOTS 128u
struct spoor_refusal_slot {
    unsigned int generation; /* raised when the slot is given to another task */
    unsigned int sequence;   /* raised before and after each change of `table` */
    unsigned int table;      /* offset in the window; 0: nothing is refused */
    unsigned int reserved;
};

#ifdef __cplusplus
static_assert(sizeof(spoor_path_table) == 48 + 256 && sizeof(spoor_place) == 4 && sizeof(spoor_literal) == 8 &&
              sizeof(spoor_refusal_slot) == 16);
#endif

#endif
