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

/* So many digits always fit. */
#define SAFE_DIGITS 19

/*
 * Appends the digits from `text` on to *digits, at most as far as `end`.
 * Returns one after the last; *fits becomes false where they are too many.
 */
static const char *append_digits(const char *text, const char *end,
                                 bool is_safe, uint64_t *digits, bool *fits)
{
    uint64_t value = *digits;

    if (is_safe) {
        for (; text < end && is_digit(*text); text++) {
            value = value * 10 + (uint64_t)(*text - '0');
        }
    } else {
        for (; text < end && is_digit(*text); text++) {
            *fits =
                *fits && !__builtin_mul_overflow(value, 10u, &value) &&
                !__builtin_add_overflow(value, (uint64_t)(*text - '0'), &value);
        }
    }
    *digits = value;
    return text;
}

int tcs_text_number_read(const char *text, size_t size,
                         struct tcs_text_number *ret_number)
{
    const char *end = text + size, *at, *point;
    struct tcs_text_number number = { 0 };
    bool fits = true;

    at = append_digits(text, end, size <= SAFE_DIGITS, &number.digits, &fits);
    if (at == text) {
        return -EINVAL;
    }
    if (at < end) {
        point = at++;
        at = append_digits(at, end, size <= SAFE_DIGITS, &number.digits, &fits);
        if (*point != '.' || at == point + 1 || at < end) {
            return -EINVAL;
        }
        if (end - point - 1 > TCS_TEXT_DECIMALS_MAX) {
            return -ERANGE;
        }
        number.decimals = (unsigned int)(end - point - 1);
    }
    if (!fits) {
        return -ERANGE;
    }
    *ret_number = number;
    return 0;
}

static const char pairs[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

static const uint64_t powers_of_ten[] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
};

/* Writes exactly n digits that end before `end`. */
static void write_digits(uint64_t value, size_t n, char *end)
{
    for (; n >= 2; n -= 2) {
        end -= 2;
        memcpy(end, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (n > 0) {
        end[-1] = (char)('0' + value % 10);
    }
}

static size_t count_digits(uint64_t value)
{
    size_t n = 1;

    for (; value >= 10000; value /= 10000) {
        n += 4;
    }
    return n + (value >= 10) + (value >= 100) + (value >= 1000);
}

size_t tcs_text_number_write(struct tcs_text_number number,
                             char ret_text[TCS_TEXT_NUMBER_MAX])
{
    assert(number.decimals <= TCS_TEXT_DECIMALS_MAX);
    uint64_t one = powers_of_ten[number.decimals];
    uint64_t whole = number.digits / one;
    size_t size = count_digits(whole);

    write_digits(whole, size, ret_text + size);
    if (number.decimals == 0) {
        return size;
    }
    ret_text[size++] = '.';
    size += number.decimals;
    write_digits(number.digits % one, number.decimals, ret_text + size);
    return size;
}
