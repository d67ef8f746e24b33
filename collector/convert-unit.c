/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See convert-unit.h.
 */
#include "convert-unit.h"

#include "error.h"

static const struct {
    const char *name;
    TcsUnit unit;
    guint digits; /* of nanoseconds in one */
} units_known[] = {
    { "ns", TCS_UNIT_NS, 0 }, { "us", TCS_UNIT_US, 3 },
    { "ms", TCS_UNIT_MS, 6 }, { "cs", TCS_UNIT_CS, 7 },
    { "s", TCS_UNIT_S, 9 },   { "ticks", TCS_UNIT_TICKS, 0 },
};

static const guint64 powers_of_ten[] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
};

gboolean tcs_unit_parse(const char *name, TcsUnit *ret_unit, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(units_known); i++) {
        if (g_str_equal(name, units_known[i].name)) {
            *ret_unit = units_known[i].unit;
            return TRUE;
        }
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                "'%s' is no unit: --unit takes ns, us, ms, cs (1/100 s), s or "
                "ticks",
                name);
    return FALSE;
}

static guint digits_of(TcsUnit unit)
{
    for (gsize i = 0; i < G_N_ELEMENTS(units_known); i++) {
        if (units_known[i].unit == unit) {
            return units_known[i].digits;
        }
    }
    return 0;
}

/* How many digits a time's number lacks to nanoseconds; FALSE if too many. */
static gboolean missing_digits(const TcsUnits *units,
                               struct tcs_text_number number, guint *ret)
{
    guint digits = units->unit != TCS_UNIT_AUTO ? digits_of(units->unit)
                   : number.decimals > 0        ? 9
                                                : 0;

    *ret = digits - number.decimals;
    return number.decimals <= digits;
}

gboolean tcs_unit_value(const TcsUnits *units, struct tcs_text_number number,
                        guint64 *ret_value)
{
    guint missing;

    if (!units->from_is_time) {
        *ret_value = number.digits;
        return number.decimals == 0;
    }
    return missing_digits(units, number, &missing) &&
           !__builtin_mul_overflow(number.digits, powers_of_ten[missing],
                                   ret_value);
}

struct tcs_text_number tcs_unit_number(const TcsUnits *units,
                                       struct tcs_text_number replaced,
                                       guint64 value, guint64 *ret_step_ns)
{
    struct tcs_text_number number = { .digits = value };
    guint missing = 0;

    *ret_step_ns = 1;
    if (units->from_is_time && units->to_is_time &&
        missing_digits(units, replaced, &missing)) {
        number.decimals = replaced.decimals;
        *ret_step_ns = powers_of_ten[missing];
        /* No time is so large that this could overflow: below 2^63. */
        number.digits =
            missing > 0 ? (value + *ret_step_ns / 2) / *ret_step_ns : value;
    } else if (units->to_is_time && !units->from_is_time &&
               units->writes_seconds) {
        number.decimals = 9;
    }
    return number;
}
