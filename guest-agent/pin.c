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
    cpu_set_t wanted[TGA_CPU_END / CPU_SETSIZE];
    int here = sched_getcpu();

    if (cpu >= TGA_CPU_END || here < 0) {
        return -EINVAL;
    }
    ret_pin->cpu = cpu >= 0 ? cpu : here;
    ret_pin->held = false;
    CPU_ZERO_S(sizeof(wanted), wanted);
    CPU_SET_S(ret_pin->cpu, sizeof(wanted), wanted);
    CPU_ZERO_S(sizeof(ret_pin->saved), ret_pin->saved);
    if (sched_getaffinity(0, sizeof(ret_pin->saved), ret_pin->saved) == 0 &&
        sched_setaffinity(0, sizeof(wanted), wanted) == 0) {
        ret_pin->held = true;
        return 0;
    }
    if (cpu < 0) {
        ret_pin->cpu = -1;
        return 0;
    }
    return errno != EINVAL && cpu == here ? 0 : -errno;
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
        /*
         * Fails only where none of the saved CPUs is left; Linux would have
         * widened the mask in that case too.
         */
        sched_setaffinity(0, sizeof(pin->saved), pin->saved);
    }
}
