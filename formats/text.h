/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a line of a text trace has its time, and what number that is. A line is
 * bytes: any encoding, NULs included, without its end of line. Pure.
 */
#ifndef FORMATS_TEXT_H
#define FORMATS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More decimals than any unit here has digits are no time. */
#define TCS_TEXT_DECIMALS_MAX 9

struct tcs_text_time {
    size_t start; /* of the number within its line */
    size_t end;   /* one after its last byte */
    int64_t cpu;  /* that the line names; -1 for none */
};

/* Whether a line has a time in one style, and where. */
typedef bool tcs_text_find(const char *line, size_t size,
                           struct tcs_text_time *ret_time);

struct tcs_text_style {
    const char *name;
    const char *looks_like; /* an example line */
    tcs_text_find *find;
    /* As find, but only where a line can hardly be of any other kind. */
    tcs_text_find *detect;
};

/* All there are, in the order in which they are to be tried; ends in a NULL. */
extern const struct tcs_text_style *const tcs_text_styles[];

/* By its name, or NULL. */
const struct tcs_text_style *tcs_text_style_by_name(const char *name);

/* The style that a line by itself shows, or NULL. */
const struct tcs_text_style *tcs_text_detect(const char *line, size_t size);

/*
 * The number that begins column `column`, from 1; columns are parted by blanks.
 * What may stand around it: an opening bracket before it, and after it anything
 * that no number contains.
 */
bool tcs_text_find_column(const char *line, size_t size, unsigned int column,
                          struct tcs_text_time *ret_time);

/* digits * 10^-decimals */
struct tcs_text_number {
    uint64_t digits;
    unsigned int decimals;
};

/*
 * Reads all of [text, text + size): digits, which may have a point and more
 * digits. Returns 0; -EINVAL where it is anything else; -ERANGE for a number
 * beyond 64 bits, or with more decimals than TCS_TEXT_DECIMALS_MAX.
 */
int tcs_text_number_read(const char *text, size_t size,
                         struct tcs_text_number *ret_number);

/* What tcs_text_number_write() may write: 20 digits, a point, 9 zeroes. */
#define TCS_TEXT_NUMBER_MAX 32

/*
 * Writes the number, without an end; at least one digit before the point, and
 * exactly its decimals (TCS_TEXT_DECIMALS_MAX at most) behind it. Returns its
 * length.
 */
size_t tcs_text_number_write(struct tcs_text_number number,
                             char ret_text[TCS_TEXT_NUMBER_MAX]);

#endif
