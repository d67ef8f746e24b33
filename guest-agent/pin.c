/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sched_setaffinity(), and doing without where it is forbidden. Knows nothing
 * of clocks.
 */
#include "pin.h"

#include <errno.h>

#include "error.h"

int tga_pin_take(struct tga_pin *ret_pin, int cpu)
{
    int here = sched_getcpu();
    int ret;

    if (cpu >= TCS_CPU_END || here < 0) {
        return -EINVAL;
    }
    ret_pin->cpu = cpu >= 0 ? cpu : here;
    ret = tcs_affinity_get(&ret_pin->saved);
    if (ret == 0) {
        ret = tcs_affinity_hold(ret_pin->cpu);
    }
    ret_pin->held = ret == 0;
    if (ret < 0 && cpu < 0) {
        ret_pin->cpu = -1;
        return 0;
    }
    return ret != -EINVAL && cpu == here ? 0 : ret;
}

bool tga_pin_take_asked(struct tga_pin *ret_pin, int cpu, GError **error)
{
    int ret = tga_pin_take(ret_pin, cpu);

    if (ret == -EINVAL) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "CPU %d is not online, or this process may not run on it",
                    cpu);
    } else if (ret < 0) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_INTERNAL,
                    "cannot move to CPU %d: sched_setaffinity: %s; ask for no "
                    "CPU to read on the one the agent runs on",
                    cpu, g_strerror(-ret));
    }
    return ret == 0;
}

void tga_pin_release(const struct tga_pin *pin)
{
    if (pin->held) {
        tcs_affinity_restore(&pin->saved);
    }
}
