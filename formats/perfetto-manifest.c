/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See perfetto-manifest.h; Perfetto's docs/reference/perfetto-manifest.md.
 */
#include "perfetto-manifest.h"

#include <inttypes.h>
#include <stdio.h>

static void put_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20) {
            fprintf(out, "\\u%04x", c);
        } else {
            fprintf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
        }
    }
    putc('"', out);
}

static void put_file(FILE *out, const struct tcs_perfetto_file *file)
{
    fputs("      {\"path\": ", out);
    put_string(out, file->path);
    fputs(", \"machine\": {\"name\": ", out);
    put_string(out, file->machine);
    fputs("}", out);
}

char *tcs_perfetto_manifest(const struct tcs_perfetto_file *reference,
                            const struct tcs_perfetto_file *file,
                            int64_t offset_ns)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out) {
        return NULL;
    }
    /* Detected by these very bytes, but for white space. */
    fputs("{\n  \"perfetto_manifest\": {\n    \"version\": 1,\n"
          "    \"trace_time\": {\"clock\": ",
          out);
    put_string(out, reference->clock);
    fputs(", \"file\": ", out);
    put_string(out, reference->path);
    fputs("},\n    \"files\": [\n", out);
    put_file(out, reference);
    fputs("},\n", out);
    put_file(out, file);
    fputs(",\n       \"clocks\": {\"clock\": ", out);
    put_string(out, file->clock);
    fputs(", \"sync_to\": {\"file\": ", out);
    put_string(out, reference->path);
    fputs(", \"clock\": ", out);
    put_string(out, reference->clock);
    fprintf(out, "},\n                  \"offset_ns\": %" PRId64 "}}\n",
            offset_ns);
    fputs("    ]\n  }\n}\n", out);
    if (fclose(out) != 0) {
        return NULL;
    }
    return text;
}
