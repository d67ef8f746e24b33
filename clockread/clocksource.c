/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See clocksource.h.
 */
#include "clocksource.h"

#include <stdio.h>
#include <string.h>

#define SYSFS "/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* Clocksources slower than 1 GHz by much; all others step by 1 ns or so. */
static const struct {
    const char *name;
    uint32_t step_ns;
} coarse[] = {
    { "hpet", 100 },        /* the specification's longest period */
    { "acpi_pm", 280 },     /* 3.579545 MHz */
    { "pit", 839 },         /* 1.193182 MHz */
    { "jiffies", 10000000 } /* CONFIG_HZ of 100 or more */
};

void tcs_clocksource_name(char *ret_name, size_t size)
{
    FILE *file = fopen(SYSFS, "re");

    if (!file || !fgets(ret_name, (int)size, file)) {
        snprintf(ret_name, size, "unknown");
    }
    ret_name[strcspn(ret_name, "\n")] = '\0';
    if (file) {
        fclose(file);
    }
}

uint32_t tcs_clocksource_step_ns(const char *name)
{
    for (size_t i = 0; i < sizeof(coarse) / sizeof(coarse[0]); i++) {
        if (strcmp(name, coarse[i].name) == 0) {
            return coarse[i].step_ns;
        }
    }
    return 1;
}
