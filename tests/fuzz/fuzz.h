/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share. A target is one file: libFuzzer hands it bytes,
 * it hands them to a parser of ours and holds what comes out to its promises
 * with g_assert(). No target looks at the time, the network or at chance, so
 * that an input does the same each time.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

/* libFuzzer's, which has no header for C. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* A file in memory with these bytes, the same one each time, at position 0. */
int fuzz_file(const uint8_t *data, size_t size);

/* Its path, for code that opens by name. */
const char *fuzz_file_path(void);

#endif
