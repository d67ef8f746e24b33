/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the PTP device by what its driver calls itself, and reads it as a
 * dynamic POSIX clock. PTP_SYS_OFFSET_PRECISE would tell the instant itself,
 * but in the guest's clocks, not in its counter: docs/error-model.md.
 */
#include "ptp-kvm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SYSFS       "/sys/class/ptp"
#define DRIVER_NAME "KVM virtual PTP"

/* The kernel's interface, in no header: see clock_getres(2). */
#define FD_TO_CLOCKID(fd) ((clockid_t)((~(unsigned int)(fd) << 3) | 3))

static bool is_kvm(const char *device)
{
    char path[sizeof(SYSFS) + sizeof("//clock_name") + 32];
    char name[64] = "";
    FILE *file;

    snprintf(path, sizeof(path), SYSFS "/%.31s/clock_name", device);
    file = fopen(path, "re");
    if (!file) {
        return false;
    }
    if (!fgets(name, sizeof(name), file)) {
        name[0] = '\0';
    }
    fclose(file);
    name[strcspn(name, "\n")] = '\0';
    return strcmp(name, DRIVER_NAME) == 0;
}

/* The path below /dev; false where there is no such device. */
static bool find_device(char *ret_path, size_t size)
{
    DIR *directory = opendir(SYSFS);
    bool found = false;

    if (!directory) {
        return false;
    }
    for (struct dirent *entry = readdir(directory); entry && !found;
         entry = readdir(directory)) {
        if (strncmp(entry->d_name, "ptp", 3) == 0 && is_kvm(entry->d_name)) {
            snprintf(ret_path, size, "/dev/%.31s", entry->d_name);
            found = true;
        }
    }
    closedir(directory);
    return found;
}

int tcs_ptp_kvm_open(char *reason, size_t size)
{
    char path[64];
    int fd, ret;

    if (!find_device(path, sizeof(path))) {
        snprintf(reason, size,
                 "no PTP device of KVM: 'modprobe ptp_kvm' in the guest; that "
                 "fails where the hypervisor is not KVM, or its host's "
                 "clocksource is not tsc");
        return -ENODEV;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        ret = -errno;
        snprintf(reason, size, "%s: %s%s", path, strerror(-ret),
                 ret == -EACCES || ret == -EPERM ? "; run as root" : "");
        return ret;
    }
    return fd;
}

int tcs_ptp_kvm_read(int fd, unsigned int samples,
                     struct tcs_clock_sample *ret_sample, char *reason,
                     size_t size)
{
    const struct tcs_posix_clock clock = { TCS_PTP_KVM_NAME,
                                           FD_TO_CLOCKID(fd) };
    struct tcs_clock_sample sample;
    int ret = tcs_posix_clock_bracket(&clock, samples, &sample);

    if (ret < 0) {
        snprintf(reason, size, "clock_gettime on KVM's PTP device: %s%s",
                 strerror(-ret),
                 ret == -EOPNOTSUPP
                     ? "; the host has no master clock: is its clocksource tsc?"
                     : "");
        return ret;
    }
    /* KVM tells it only while the host's clocksource is the TSC. */
    sample.resolution_ns = 1;
    *ret_sample = sample;
    return 0;
}
