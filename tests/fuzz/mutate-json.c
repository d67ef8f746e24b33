/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes changed at random hardly ever stay JSON. So most of the time this
 * changes one number, exchanges two, or drops or repeats a line: what comes
 * out gets past the parser, to the code that judges values.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define TOKENS_MAX 4096

struct token {
    size_t at;
    size_t length;
};

static const char *const numbers[] = {
    "0",
    "1",
    "-1",
    "2",
    "63",
    "64",
    "65",
    "500",
    "4095",
    "4096",
    "1000000",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "281474976710656",
    "1000000000000000000",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551614",
    "18446744073709551615",
    "-9223372036854775808",
    "-9223372036854775807",
    "18446744073709551616",
    "1.5",
    "null",
    "true",
    "false",
    "\"\"",
    "[]",
    "{}",
};

static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Numbers that follow what a value follows; not digits within names. */
static size_t find_numbers(const uint8_t *data, size_t size,
                           struct token *tokens)
{
    size_t n = 0;

    for (size_t i = 1; i < size && n < TOKENS_MAX; i++) {
        size_t begin = i;

        if (!strchr(":[, ", data[i - 1]) || data[i - 1] == '\0') {
            continue;
        }
        i += data[i] == '-';
        while (i < size && is_digit(data[i])) {
            i++;
        }
        if (i > begin && is_digit(data[i - 1])) {
            tokens[n++] = (struct token){ begin, i - begin };
        }
    }
    return n;
}

/* Lines with their ends. */
static size_t find_lines(const uint8_t *data, size_t size, struct token *tokens)
{
    size_t n = 0, begin = 0;

    for (size_t i = 0; i < size && n < TOKENS_MAX; i++) {
        if (data[i] == '\n') {
            tokens[n++] = (struct token){ begin, i + 1 - begin };
            begin = i + 1;
        }
    }
    return n;
}

/* Puts `length` bytes where the token is; the new size, or 0: no room. */
static size_t replace(uint8_t *data, size_t size, size_t max_size,
                      struct token token, const char *bytes, size_t length)
{
    if (size - token.length + length > max_size) {
        return 0;
    }
    memmove(data + token.at + length, data + token.at + token.length,
            size - token.at - token.length);
    memcpy(data + token.at, bytes, length);
    return size - token.length + length;
}

/* A number near the one that is there, or an edge of some type. */
static size_t change_number(uint8_t *data, size_t size, size_t max_size,
                            struct token token, uint32_t *state)
{
    char text[32] = { 0 };
    uint64_t value, by = UINT64_C(1) << next(state) % 64;

    if (next(state) % 3 == 0) {
        const char *edge = numbers[next(state) % G_N_ELEMENTS(numbers)];

        return replace(data, size, max_size, token, edge, strlen(edge));
    }
    memcpy(text, data + token.at, MIN(token.length, sizeof(text) - 1));
    value = text[0] == '-' ? (uint64_t)g_ascii_strtoll(text, NULL, 10)
                           : g_ascii_strtoull(text, NULL, 10);
    value = next(state) % 2 ? value + by : value - by;
    if (text[0] == '-' || (next(state) % 16 == 0)) {
        snprintf(text, sizeof(text), "%" PRId64, (int64_t)value);
    } else {
        snprintf(text, sizeof(text), "%" PRIu64, value);
    }
    return replace(data, size, max_size, token, text, strlen(text));
}

/* One token's bytes in place of another's. */
static size_t copy_token(uint8_t *data, size_t size, size_t max_size,
                         struct token from, struct token to)
{
    g_autofree char *bytes = g_memdup2(data + from.at, from.length);

    return replace(data, size, max_size, to, bytes, from.length);
}

static size_t change_line(uint8_t *data, size_t size, size_t max_size,
                          const struct token *lines, size_t n, uint32_t *state)
{
    struct token line = lines[next(state) % n];
    struct token other = lines[next(state) % n];

    switch (next(state) % 3) {
    case 0:
        return replace(data, size, max_size, line, "", 0);
    case 1:
        return copy_token(data, size, max_size, line, other);
    default:
        other.length = 0; /* inserted before it */
        return copy_token(data, size, max_size, line, other);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned int seed)
{
    static struct token tokens[TOKENS_MAX];
    uint32_t state = seed * 2654435761u | 1;
    uint32_t kind = next(&state) % 16;
    size_t n, changed = 0;

    if (kind < 11) {
        n = find_numbers(data, size, tokens);
        if (n > 0 && kind < 8) {
            changed = change_number(data, size, max_size,
                                    tokens[next(&state) % n], &state);
        } else if (n > 0) {
            changed = copy_token(data, size, max_size, tokens[next(&state) % n],
                                 tokens[next(&state) % n]);
        }
    } else if (kind < 13) {
        n = find_lines(data, size, tokens);
        changed = n ? change_line(data, size, max_size, tokens, n, &state) : 0;
    }
    return changed ? changed : LLVMFuzzerMutate(data, size, max_size);
}
