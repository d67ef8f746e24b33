/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's realtime through clockread/ptp-kvm.h. Keeps the device open
 * between requests; knows no other source.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clockread/ptp-kvm.h"
#include "clock-source.h"

#define REASON_MAX 256

static int device_fd = -1;

/* Not remembered where it fails: the module may be loaded by then. */
static int open_device(char *reason, size_t size)
{
    if (device_fd < 0) {
        device_fd = tcs_ptp_kvm_open(reason, size);
    }
    return device_fd;
}

static bool prepare_ptp(const char *clock)
{
    char reason[REASON_MAX];

    return strcmp(clock, TCS_PTP_KVM_NAME) == 0 &&
           open_device(reason, sizeof(reason)) >= 0;
}

static int read_ptp(const char *clock, unsigned int samples,
                    struct tga_reading *ret_reading, char **ret_reason)
{
    struct tcs_clock_sample sample;
    char reason[REASON_MAX];
    int ret;

    if (strcmp(clock, TCS_PTP_KVM_NAME) != 0) {
        return -ENOENT;
    }
    ret = open_device(reason, sizeof(reason));
    if (ret >= 0) {
        ret = tcs_ptp_kvm_read(ret, samples, &sample, reason, sizeof(reason));
    }
    if (ret < 0) {
        *ret_reason = g_strdup(reason);
        /* -ENOENT and -EAGAIN mean something else to the caller. */
        return ret == -ENOENT || ret == -EAGAIN ? -EIO : ret;
    }
    tga_reading_take(ret_reading, &sample);
    return 0;
}

static void release_ptp(void)
{
    if (device_fd >= 0) {
        close(device_fd);
    }
    device_fd = -1;
}

const struct tga_clock_source tga_source_ptp = {
    .via = "ptp",
    .costly = true,
    .prepare = prepare_ptp,
    .read = read_ptp,
    .release = release_ptp,
};
