/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Token by token over JSON text: numbers, literals, strings, nesting. json-c
 * saturates large integers, ends keys at an escaped NUL and takes NaN.
 */
#include "json-scan.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "error.h"
#include "json-util.h"

typedef struct {
    const char *at;
    const char *end;
    const char *start;
    gsize members;
    guint values;
    guint depth;
} Scan;

static gboolean refuse(const Scan *scan, const char *problem, GError **error)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                "not acceptable JSON: %s at byte %zu", problem,
                (gsize)(scan->at - scan->start));
    return FALSE;
}

static gsize skip_digits(const char *text, const char *end)
{
    gsize n = 0;

    while (text + n < end && g_ascii_isdigit(text[n])) {
        n++;
    }
    return n;
}

/* The length of the number token, 0 where it is none; *ret_integer: no '.' or
 * e. */
static gsize number_length(const char *text, const char *end,
                           gboolean *ret_integer)
{
    const char *at = text;
    gsize digits;

    *ret_integer = TRUE;
    if (at < end && *at == '-') {
        at++;
    }
    digits = skip_digits(at, end);
    if (digits == 0 || (digits > 1 && *at == '0')) {
        return 0;
    }
    at += digits;
    if (at < end && *at == '.') {
        *ret_integer = FALSE;
        at++;
        digits = skip_digits(at, end);
        if (digits == 0) {
            return 0;
        }
        at += digits;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        *ret_integer = FALSE;
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        digits = skip_digits(at, end);
        if (digits == 0) {
            return 0;
        }
        at += digits;
    }
    return at - text;
}

static gboolean scan_number(Scan *scan, GError **error)
{
    char copy[400];
    gboolean integer;
    gsize length = number_length(scan->at, scan->end, &integer);

    if (length == 0) {
        return refuse(scan, "a malformed number", error);
    }
    if (length >= sizeof(copy)) {
        return refuse(scan, "an absurdly long number", error);
    }
    memcpy(copy, scan->at, length);
    copy[length] = '\0';

    if (!integer) {
        if (!isfinite(g_ascii_strtod(copy, NULL))) {
            return refuse(scan, "a number too large for a double", error);
        }
    } else {
        errno = 0;
        if (copy[0] == '-') {
            g_ascii_strtoll(copy, NULL, 10);
        } else {
            g_ascii_strtoull(copy, NULL, 10);
        }
        if (errno == ERANGE) {
            return refuse(scan, "an integer beyond 64 bits", error);
        }
    }
    scan->at += length;
    return TRUE;
}

static gboolean scan_string(Scan *scan, GError **error)
{
    for (scan->at++; scan->at < scan->end; scan->at++) {
        if (*scan->at == '"') {
            scan->at++;
            return TRUE;
        }
        if ((guchar)*scan->at < 0x20) {
            return refuse(scan, "a control character in a string", error);
        }
        if (*scan->at == '\\') {
            gsize left = scan->end - scan->at;

            if (left >= 6 && memcmp(scan->at, "\\u0000", 6) == 0) {
                return refuse(scan, "a NUL character in a string", error);
            }
            scan->at++;
        }
    }
    scan->at = scan->end;
    return refuse(scan, "an unfinished string", error);
}

static gboolean scan_literal(Scan *scan, GError **error)
{
    static const char *const literals[] = { "true", "false", "null" };

    for (gsize i = 0; i < G_N_ELEMENTS(literals); i++) {
        gsize length = strlen(literals[i]);

        if ((gsize)(scan->end - scan->at) >= length &&
            memcmp(scan->at, literals[i], length) == 0) {
            scan->at += length;
            return TRUE;
        }
    }
    return refuse(scan, "an unexpected character", error);
}

static gboolean scan_token(Scan *scan, GError **error)
{
    switch (*scan->at) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case ',':
        scan->at++;
        return TRUE;
    case ':':
        scan->members++;
        scan->at++;
        return TRUE;
    case ']':
    case '}':
        if (scan->depth == 0) {
            return refuse(scan, "a bracket too many", error);
        }
        scan->depth--;
        scan->at++;
        return TRUE;
    }

    if (++scan->values > TCS_JSON_MAX_VALUES) {
        return refuse(scan, "too many values", error);
    }
    switch (*scan->at) {
    case '[':
    case '{':
        if (++scan->depth > TCS_JSON_MAX_DEPTH) {
            return refuse(scan, "nesting too deep", error);
        }
        scan->at++;
        return TRUE;
    case '"':
        return scan_string(scan, error);
    case '-':
    case '0' ... '9':
        return scan_number(scan, error);
    default:
        return scan_literal(scan, error);
    }
}

gboolean tcs_json_scan(const char *text, gsize length, gsize *ret_members,
                       GError **error)
{
    Scan scan = { .at = text, .start = text, .end = text + length };

    while (scan.at < scan.end) {
        if (!scan_token(&scan, error)) {
            return FALSE;
        }
    }
    *ret_members = scan.members;
    return TRUE;
}
