/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strict parsing and typed members, at every limit. Pure: no sockets.
 */
#include <string.h>

#include "collector/error.h"
#include "collector/json-util.h"

static json_object *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    json_object *value = tcs_json_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return value;
}

/* Compared with strcmp, so that a pass cannot come from a saturated number. */
static void accepts(gconstpointer data)
{
    const char *text = data;
    g_autoptr(json_object) value = parse(text);

    g_assert_cmpstr(
        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), ==,
        text);
}

static void refuses(gconstpointer data)
{
    const char *text = data;
    g_autoptr(GError) error = NULL;
    /* No NUL after the text: a read beyond it is seen by the sanitizer. */
    g_autofree char *bytes = g_memdup2(text, MAX(strlen(text), 1));

    g_assert_null(tcs_json_parse(bytes, strlen(text), &error));
    g_assert_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL);
}

static void test_nul_byte(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(tcs_json_parse("[\"\0\"]", 5, &error));
    g_assert_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL);
    g_clear_error(&error);
    g_assert_null(tcs_json_parse("1\0", 2, &error));
    g_assert_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL);
}

#define NUMBERS                                                              \
    "{\"max\":18446744073709551615,\"over\":9223372036854775808,"            \
    "\"imax\":9223372036854775807,\"imin\":-9223372036854775808,\"zero\":0," \
    "\"neg\":-1,\"real\":1.0,\"text\":\"1\",\"true\":true,\"null\":null}"

static void test_u64(void)
{
    static const char *const refused[] = { "neg",  "imin", "real", "text",
                                           "true", "null", "none" };
    g_autoptr(json_object) object = parse(NUMBERS);
    guint64 value = 7;

    g_assert_true(tcs_json_get_u64(object, "max", &value, NULL));
    g_assert_cmpuint(value, ==, G_MAXUINT64);
    g_assert_true(tcs_json_get_u64(object, "over", &value, NULL));
    g_assert_cmpuint(value, ==, G_GUINT64_CONSTANT(9223372036854775808));
    g_assert_true(tcs_json_get_u64(object, "imax", &value, NULL));
    g_assert_cmpuint(value, ==, G_MAXINT64);
    g_assert_true(tcs_json_get_u64(object, "zero", &value, NULL));
    g_assert_cmpuint(value, ==, 0);
    g_assert_true(tcs_json_get_u64(object, "zero", NULL, NULL));
    value = 7;
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(tcs_json_get_u64(object, refused[i], &value, &error));
        g_assert_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL);
        g_assert_nonnull(strstr(error->message, refused[i]));
        g_assert_cmpuint(value, ==, 7);
    }
}

static void test_i64(void)
{
    static const char *const refused[] = { "over", "max",  "real", "text",
                                           "true", "null", "none" };
    g_autoptr(json_object) object = parse(NUMBERS);
    gint64 value = 7;

    g_assert_true(tcs_json_get_i64(object, "imin", &value, NULL));
    g_assert_cmpint(value, ==, G_MININT64);
    g_assert_true(tcs_json_get_i64(object, "imax", &value, NULL));
    g_assert_cmpint(value, ==, G_MAXINT64);
    g_assert_true(tcs_json_get_i64(object, "neg", &value, NULL));
    g_assert_cmpint(value, ==, -1);
    value = 7;
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(tcs_json_get_i64(object, refused[i], &value, &error));
        g_assert_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL);
        g_assert_cmpint(value, ==, 7);
    }
}

static void test_string(void)
{
    static const char *const refused[] = { "long", "esc",     "del",
                                           "c1",   "newline", "bidi",
                                           "sep",  "number",  "none" };
    g_autoptr(json_object) object =
        parse("{\"good\":\"caf\\u00e9 \\\"x\\\"\",\"empty\":\"\",\"long\":"
              "\"12345678901\",\"esc\":\"\\u001b[1m\",\"del\":\"\x7f\",\"c1\":"
              "\"\\u009b\",\"newline\":\"a\\nb\",\"bidi\":\"\\u202e\",\"sep\":"
              "\"\\u2028\",\"number\":1,\"ten\":\"1234567890\"}");
    const char *value = NULL;

    g_assert_true(tcs_json_get_string(object, "good", 10, &value, NULL));
    g_assert_cmpstr(value, ==, "café \"x\"");
    g_assert_true(tcs_json_get_string(object, "empty", 0, &value, NULL));
    g_assert_cmpstr(value, ==, "");
    g_assert_true(tcs_json_get_string(object, "ten", 10, &value, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(
            tcs_json_get_string(object, refused[i], 10, &value, &error));
        g_assert_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL);
    }
}

static void test_containers(void)
{
    g_autoptr(json_object) object =
        parse("{\"o\":{},\"a\":[1,2,3],\"b\":false,\"n\":null}");
    json_object *value = NULL;
    gboolean flag = TRUE;
    g_autoptr(GError) error = NULL;

    g_assert_true(tcs_json_get_object(object, "o", &value, NULL));
    g_assert_true(json_object_is_type(value, json_type_object));
    g_assert_false(tcs_json_get_object(object, "a", NULL, NULL));
    g_assert_true(tcs_json_get_array(object, "a", 3, &value, NULL));
    g_assert_cmpuint(json_object_array_length(value), ==, 3);
    g_assert_false(tcs_json_get_array(object, "a", 2, NULL, NULL));
    g_assert_false(tcs_json_get_array(object, "o", 2, NULL, NULL));
    g_assert_true(tcs_json_get_bool(object, "b", &flag, NULL));
    g_assert_false(flag);
    g_assert_false(tcs_json_get_bool(object, "n", NULL, NULL));
    g_assert_true(tcs_json_has(object, "n"));
    g_assert_false(tcs_json_has(object, "x"));
    g_assert_false(tcs_json_has(NULL, "x"));
    g_assert_false(tcs_json_get_u64(value, "x", NULL, &error));
    g_assert_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL);
}

static void test_printable(void)
{
    static const struct {
        const char *bytes, *shown;
    } cases[] = {
        { "plain", "plain" },
        { "", "" },
        { "a\r\n\tb", "a   b" },
        { "\x1b[31m\x7f\xc2\x9b", "?[31m??" },
        { "\xff\xc0\x80\xe2\x82", "?????" },
        { "caf\xc3\xa9\xe2\x80\xae", "café?" },
        { "12345678901234567890", "1234567890..." },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *shown =
            tcs_printable(cases[i].bytes, strlen(cases[i].bytes), 10);

        g_assert_cmpstr(shown, ==, cases[i].shown);
    }
}

static char *nested(guint depth)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < depth; i++) {
        g_string_append(text, i % 2 ? "{\"a\":" : "[");
    }
    g_string_append(text, "1");
    for (guint i = depth; i-- > 0;) {
        g_string_append(text, i % 2 ? "}" : "]");
    }
    return g_strdup(text->str);
}

static void test_depth(void)
{
    static const guint refused[] = { TCS_JSON_MAX_DEPTH + 1, 10000, 100000 };
    g_autofree char *deepest = nested(TCS_JSON_MAX_DEPTH);

    accepts(deepest);
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *text = nested(refused[i]);

        refuses(text);
    }
}

static void test_statuses(void)
{
    static const struct {
        int code, status;
    } cases[] = {
        { TCS_ERROR_INTERNAL, 1 },
        { TCS_ERROR_USAGE, 2 },
        { TCS_ERROR_UNREACHABLE, 3 },
        { TCS_ERROR_COMMAND_NOT_FOUND, 3 },
        { TCS_ERROR_TIMEOUT, 3 },
        { TCS_ERROR_PEER, 3 },
        { TCS_ERROR_REFUSED, 4 },
        { TCS_ERROR_PROTOCOL, 4 },
        { TCS_ERROR_FILE, 5 },
        { 0, 1 },
        { 77, 1 },
    };
    g_autoptr(GError) other = g_error_new_literal(G_FILE_ERROR, 4, "x");

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error =
            g_error_new_literal(TCS_ERROR, cases[i].code, "x");

        g_assert_cmpint(tcs_error_exit_status(error), ==, cases[i].status);
    }
    g_assert_cmpint(tcs_error_exit_status(other), ==, 1);
}

static void add_all(const char *kind, GTestDataFunc test,
                    const char *const *texts)
{
    for (guint i = 0; texts[i]; i++) {
        g_autofree char *path = g_strdup_printf("/json/%s/%u", kind, i);

        g_test_add_data_func(path, texts[i], test);
    }
}

int main(int argc, char **argv)
{
    static const char *const good[] = { "0",
                                        "-1",
                                        "18446744073709551615",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "1.5",
                                        "-0.0",
                                        "1e5",
                                        "1E-5",
                                        "2.5e+10",
                                        "1.7976931348623157e308",
                                        "true",
                                        "false",
                                        "\"\"",
                                        "\"a\\\\u0000\"",
                                        "[]",
                                        "{}",
                                        "[null]",
                                        "{\"a\":1,\"b\":{\"a\":2}}",
                                        NULL };
    static const char *const bad[] = { "",
                                       " ",
                                       "-",
                                       "+1",
                                       "01",
                                       "-01",
                                       "00",
                                       ".5",
                                       "1.",
                                       "1.e5",
                                       "1e",
                                       "1e+",
                                       "--1",
                                       "0x10",
                                       "1_0",
                                       "1 2",
                                       "18446744073709551616",
                                       "-9223372036854775809",
                                       "99999999999999999999999999999999999",
                                       "[18446744073709551616]",
                                       "1e309",
                                       "-1e999",
                                       "NaN",
                                       "nan",
                                       "Infinity",
                                       "-Infinity",
                                       "True",
                                       "TRUE",
                                       "tru",
                                       "nul",
                                       "null",
                                       "truefalse",
                                       "'a'",
                                       "\"",
                                       "\"\\",
                                       "\"\\\"",
                                       "\"\\x\"",
                                       "\"\\u12\"",
                                       "\"\\u000",
                                       "\"\\u0000\"",
                                       "{\"a\\u0000\":1}",
                                       "\"\n\"",
                                       "\"\x01\"",
                                       "\"\xff\"",
                                       "\"\xc0\x80\"",
                                       "\"\xed\xa0\x80\"",
                                       "\"\xf5\x80\x80\x80\"",
                                       "[",
                                       "]",
                                       "[1",
                                       "[1}",
                                       "{]",
                                       "[1,]",
                                       "[,1]",
                                       "[1 2]",
                                       "{\"a\"}",
                                       "{\"a\":}",
                                       "{\"a\":1,}",
                                       "{a:1}",
                                       "{1:1}",
                                       "{\"a\":1 \"b\":2}",
                                       "{}{}",
                                       "[][]",
                                       "{} x",
                                       "{},",
                                       "// c\n1",
                                       "/* c */1",
                                       "{\"a\":1,\"a\":2}",
                                       "[{\"a\":{\"b\":1,\"b\":1}}]",
                                       "{\"a\":1,\"\\u0061\":2}",
                                       NULL };

    g_test_init(&argc, &argv, NULL);
    add_all("accepts", accepts, good);
    add_all("refuses", refuses, bad);
    g_test_add_func("/json/nul-byte", test_nul_byte);
    g_test_add_func("/json/depth", test_depth);
    g_test_add_func("/json/u64", test_u64);
    g_test_add_func("/json/i64", test_i64);
    g_test_add_func("/json/string", test_string);
    g_test_add_func("/json/containers", test_containers);
    g_test_add_func("/json/printable", test_printable);
    g_test_add_func("/error/exit-status", test_statuses);
    return g_test_run();
}
