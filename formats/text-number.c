/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See text.h: numbers, in whole digits and without locale.
 */
#include "text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Nineteen digits always fit, so they need no look at each. */
#define SAFE_DIGITS 19

static bool append_digit(uint64_t *digits, unsigned int n, char c)
{
    if (n < SAFE_DIGITS) {
        *digits = *digits * 10 + (uint64_t)(c - '0');
        return true;
    }
    return !__builtin_mul_overflow(*digits, 10u, digits) &&
           !__builtin_add_overflow(*digits, (uint64_t)(c - '0'), digits);
}

int tcs_text_number_read(const char *text, size_t size,
                         struct tcs_text_number *ret_number)
{
    struct tcs_text_number number = { 0 };
    unsigned int significant = 0;
    bool has_point = false, fits = true;

    for (size_t i = 0; i < size; i++) {
        if (is_digit(text[i])) {
            /* Leading zeroes are no digits of the number. */
            fits = fits && append_digit(&number.digits, significant, text[i]);
            significant += significant > 0 || text[i] != '0';
            number.decimals += has_point;
        } else if (text[i] == '.' && !has_point && i > 0 && i + 1 < size) {
            has_point = true;
        } else {
            return -EINVAL;
        }
    }
    if (size == 0) {
        return -EINVAL;
    }
    if (!fits || number.decimals > TCS_TEXT_DECIMALS_MAX) {
        return -ERANGE;
    }
    *ret_number = number;
    return 0;
}

size_t tcs_text_number_write(struct tcs_text_number number,
                             char ret_text[TCS_TEXT_NUMBER_MAX])
{
    char reversed[TCS_TEXT_NUMBER_MAX];
    uint64_t rest = number.digits;
    size_t n = 0, decimals = 0;

    assert(number.decimals <= TCS_TEXT_DECIMALS_MAX);
    while (decimals < number.decimals) {
        reversed[sizeof(reversed) - ++n] = (char)('0' + rest % 10);
        rest /= 10;
        decimals++;
    }
    if (decimals > 0) {
        reversed[sizeof(reversed) - ++n] = '.';
    }
    do {
        reversed[sizeof(reversed) - ++n] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    memcpy(ret_text, reversed + sizeof(reversed) - n, n);
    return n;
}
