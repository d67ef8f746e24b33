/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads or writes a model-specific register of one CPU, for scenarios in which
 * a guest sets its TSC: msr CPU REGISTER [VALUE|+N|-N]. Prints what it was.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char path[64];
    uint64_t value;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: msr CPU REGISTER [VALUE|+N|-N]\n");
        return 2;
    }
    snprintf(path, sizeof(path), "/dev/cpu/%d/msr", atoi(argv[1]));

    off_t reg = (off_t)strtoul(argv[2], NULL, 0);
    int fd = open(path, argc == 4 ? O_RDWR : O_RDONLY);

    if (fd < 0 || pread(fd, &value, sizeof(value), reg) != sizeof(value)) {
        perror(path);
        return 1;
    }
    printf("%" PRIu64 "\n", value);
    if (argc == 4) {
        const char *sign = argv[3];
        uint64_t number =
            strtoull(sign + (*sign == '+' || *sign == '-'), NULL, 0);

        value = *sign == '+'   ? value + number
                : *sign == '-' ? value - number
                               : number;
        if (pwrite(fd, &value, sizeof(value), reg) != sizeof(value)) {
            perror(path);
            return 1;
        }
    }
    return 0;
}
