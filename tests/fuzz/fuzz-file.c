/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See fuzz.h.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

static int file_fd(void)
{
    static int fd = -1;

    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        g_assert(fd >= 0);
    }
    return fd;
}

int fuzz_file(const uint8_t *data, size_t size)
{
    int fd = file_fd();

    g_assert(ftruncate(fd, 0) == 0);
    g_assert(size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size);
    g_assert(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

const char *fuzz_file_path(void)
{
    static char path[32];

    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd());
    return path;
}
