/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of text traces, as `convert` reads them: where each style finds a time,
 * and that the number there is written as it was read.
 */
#include <errno.h>
#include <string.h>

#include "formats/text.h"
#include "fuzz.h"

/* Without zeroes before its first digit, and as many as one where none is. */
static void check_written(struct tcs_text_number number)
{
    char text[TCS_TEXT_NUMBER_MAX];
    struct tcs_text_number again;
    size_t size = tcs_text_number_write(number, text);

    g_assert(size >= 1 && size <= sizeof(text));
    g_assert(tcs_text_number_read(text, size, &again) == 0);
    g_assert(again.digits == number.digits);
    g_assert(again.decimals == number.decimals);
}

static void check_time(const char *line, size_t size,
                       const struct tcs_text_time *time)
{
    struct tcs_text_number number;
    int ret;

    g_assert(time->start < time->end && time->end <= size);
    g_assert(time->cpu >= -1);
    ret = tcs_text_number_read(line + time->start, time->end - time->start,
                               &number);
    g_assert(ret == 0 || ret == -EINVAL || ret == -ERANGE);
    if (ret == 0) {
        g_assert(number.decimals <= TCS_TEXT_DECIMALS_MAX);
        check_written(number);
    }
}

static void check_line(const char *line, size_t size)
{
    const struct tcs_text_style *style = tcs_text_detect(line, size);
    struct tcs_text_time time;

    if (style) {
        g_assert(style->find(line, size, &time));
    }
    for (size_t i = 0; tcs_text_styles[i]; i++) {
        if (tcs_text_styles[i]->find(line, size, &time)) {
            check_time(line, size, &time);
        }
    }
    for (unsigned int column = 1; column < 9; column++) {
        if (tcs_text_find_column(line, size, column, &time)) {
            check_time(line, size, &time);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        /* By itself, so that the sanitizer sees a look beyond it. */
        char *line = g_memdup2(at, length);

        check_line(line ? line : "", length);
        g_free(line);
        at = newline ? newline + 1 : end;
    }
    return 0;
}
