/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See marker-clock.h. Nothing else traces into our instance, so its buffer
 * holds our events alone, in the order they were written; each carries a
 * number all the same, and an event that is not found does not count.
 */
#include "marker-clock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kbuffer.h>
#include <tracefs.h>

#include "counter.h"
#include "marker-tidy.h"

#define NS_PER_S 1000000000ULL

/* What we write: the kernel wants a number first, and takes any bytes after. */
#define EVENT_MAGIC 0x636c6f63U

struct payload {
    uint32_t magic;
    uint32_t number;
};

/* What ftrace puts in front of it: the head that all events have. */
#define EVENT_HEAD_SIZE 8

/* So many events fit in one page of the smallest buffer. */
#define BATCH_MAX 64

/* How often to look whether `uptime` has moved on, and for how long. */
#define UPTIME_PAUSE_NS 300000
#define UPTIME_WAIT_NS  1000000000ULL

/* No architecture has larger pages. */
#define SUBBUFFER_MAX (64 * 1024)

/*
 * What must be free before an instance is made, so that it never is what
 * brings a small guest down. Before Linux 6.6 one costs 12 MB, for its 10000
 * files; and until the buffer is made small, 1.4 MB a CPU, twice.
 */
#define MEMORY_KB         (64 * 1024)
#define MEMORY_PER_CPU_KB (3 * 1024)

struct tcs_marker {
    const struct tcs_marker_clock *clock;
    struct tracefs_instance *instance;
    struct kbuffer *kbuffer;
    int marker_fd;
    int pipe_cpu; /* whose buffer pipe_fd reads; -1: none */
    int pipe_fd;
    uint32_t next_number;
    uint64_t jiffy_ns;
    _Alignas(8) char page[SUBBUFFER_MAX];
};

/* One helper for all markers of the process. */
static int watch_fd = -1;
static unsigned int n_open;

struct shot {
    uint64_t before, after, stamp;
    bool found;
};

static int fail(int error, char *ret_reason, size_t size, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
static int fail(int error, char *ret_reason, size_t size, const char *format,
                ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ret_reason, size, format, args);
    va_end(args);
    return -error;
}

static int last_error(void)
{
    return errno != 0 ? errno : EIO;
}

/* What a person can do about it. */
static const char *advice(int error)
{
    switch (error) {
    case EACCES:
        return "run as root";
    case EPERM:
        return "run as root; a locked-down kernel forbids it to root as well";
    case EROFS:
        return "tracefs is mounted read-only here";
    case ENOMEM:
        return "the kernel has no memory for a trace buffer";
    default:
        return "see that nothing confines this process";
    }
}

static bool word_in(const char *text, const char *word)
{
    size_t len = strlen(word);

    while (*text != '\0') {
        text += strspn(text, " []\n");
        if (strncmp(text, word, len) == 0 &&
            strchr(" ]\n", text[len]) != NULL) {
            return true;
        }
        text += strcspn(text, " []\n");
    }
    return false;
}

/* -ENOENT where the kernel does not have the clock. */
static int check_clock(const struct tcs_marker *marker, char *ret_reason,
                       size_t size)
{
    char *text =
        tracefs_instance_file_read(marker->instance, "trace_clock", NULL);
    bool known = text != NULL && word_in(text, marker->clock->name);

    free(text);
    return known ? 0
                 : fail(ENOENT, ret_reason, size,
                        "this kernel's ftrace has no such clock");
}

static int write_file(const struct tcs_marker *marker, const char *file,
                      const char *text, char *ret_reason, size_t size)
{
    errno = 0;
    if (tracefs_instance_file_write(marker->instance, file, text) >= 0) {
        return 0;
    }
    int error = last_error();
    char *dir = tracefs_instance_get_dir(marker->instance);

    fail(error, ret_reason, size, "writing %s to %s/%s: %s", text,
         dir != NULL ? dir : "?", file, strerror(error));
    tracefs_put_tracing_file(dir);
    return -error;
}

/* Whether the kernel's longs have 4 or 8 bytes; ours may differ. */
static int make_kbuffer(struct tcs_marker *marker)
{
    struct tep_handle *tep = tep_alloc();
    int len = 0;
    char *text = tracefs_instance_file_read(NULL, "events/header_page", &len);
    int ret = -ENOMEM;

    if (tep != NULL && text != NULL &&
        tep_parse_header_page(tep, text, (unsigned long)len, sizeof(long)) ==
            0) {
        marker->kbuffer = kbuffer_alloc(
            tep_get_header_page_size(tep) == 4 ? KBUFFER_LSIZE_4
                                               : KBUFFER_LSIZE_8,
            __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? KBUFFER_ENDIAN_LITTLE
                                                      : KBUFFER_ENDIAN_BIG);
        ret = marker->kbuffer != NULL ? 0 : -ENOMEM;
    } else if (text == NULL) {
        ret = -last_error();
    }
    free(text);
    tep_free(tep);
    return ret;
}

static int set_up(struct tcs_marker *marker, char *ret_reason, size_t size)
{
    struct timespec jiffy;
    int ret;

    /* The size first: from then on there is little for a reset to clear. */
    ret = write_file(marker, "buffer_size_kb", "1", ret_reason, size);
    if (ret == 0) {
        ret = check_clock(marker, ret_reason, size);
    }
    if (ret == 0) {
        ret = write_file(marker, "trace_clock", marker->clock->name, ret_reason,
                         size);
    }
    if (ret == 0) {
        /* Options are inherited from the main buffer, where it may be off. */
        ret = write_file(marker, "trace_options", "markers", ret_reason, size);
    }
    if (ret < 0) {
        return ret;
    }
    ret = make_kbuffer(marker);
    if (ret < 0) {
        return fail(-ret, ret_reason, size,
                    "reading tracefs's events/header_page: %s", strerror(-ret));
    }
    marker->marker_fd = tracefs_instance_file_open(
        marker->instance, "trace_marker_raw", O_WRONLY | O_CLOEXEC);
    if (marker->marker_fd < 0) {
        int error = last_error();

        return fail(error, ret_reason, size, "opening %s/%s: %s; %s",
                    tracefs_instance_get_name(marker->instance),
                    "trace_marker_raw", strerror(error), advice(error));
    }
    /* The resolution of a clock that the tick moves on is the tick. */
    if (clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy) < 0) {
        return fail(errno, ret_reason, size, "clock_getres: %s",
                    strerror(errno));
    }
    marker->jiffy_ns =
        (uint64_t)jiffy.tv_sec * NS_PER_S + (uint64_t)jiffy.tv_nsec;
    return 0;
}

/* The first marker of the process: what earlier ones left, and a helper. */
static void tidy(const char *tracing_dir)
{
    const char *names[TCS_MARKER_CLOCKS_MAX + 1];
    char dir[4096];
    size_t n = 0;

    for (; tcs_marker_clocks[n].name != NULL; n++) {
        names[n] = tcs_marker_clocks[n].name;
    }
    names[n] = NULL;
    snprintf(dir, sizeof(dir), "%s/instances", tracing_dir);
    tcs_marker_remove_stale(dir);
    watch_fd = tcs_marker_watch_start(dir, names);
}

/* -ENOMEM where the machine is short of memory; unknown is taken for enough. */
static int check_memory(char *ret_reason, size_t size)
{
    FILE *file = fopen("/proc/meminfo", "re");
    long n_cpus = sysconf(_SC_NPROCESSORS_CONF);
    uint64_t wanted_kb = MEMORY_KB + MEMORY_PER_CPU_KB * (uint64_t)n_cpus;
    uint64_t kb = UINT64_MAX;
    char line[128];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL &&
           sscanf(line, "MemAvailable: %" SCNu64, &kb) != 1) {
    }
    if (file != NULL) {
        fclose(file);
    }
    return kb >= wanted_kb
               ? 0
               : fail(ENOMEM, ret_reason, size,
                      "an ftrace instance takes memory, and of it only %" PRIu64
                      " MB are available here; free some, up to %" PRIu64 " MB",
                      kb / 1024, wanted_kb / 1024);
}

static int make_instance(struct tcs_marker *marker, char *ret_reason,
                         size_t size)
{
    struct tcs_marker_owner self;
    char name[TCS_MARKER_NAME_MAX], dir[4096];
    const char *tracing_dir = NULL;
    int error;

    tracefs_set_loglevel(TEP_LOG_NONE);
    if (tracefs_tracing_dir_is_mounted(false, &tracing_dir) <= 0 ||
        tracing_dir == NULL) {
        return fail(ENODEV, ret_reason, size,
                    "tracefs is not mounted; as root: mount -t tracefs nodev "
                    "/sys/kernel/tracing");
    }
    snprintf(dir, sizeof(dir), "%s/instances", tracing_dir);
    if (access(dir, W_OK | X_OK) < 0) {
        error = errno;
        return fail(error, ret_reason, size,
                    "no instance can be made in %s: %s; %s", dir,
                    strerror(error), advice(error));
    }
    error = -check_memory(ret_reason, size);
    if (error != 0) {
        return -error;
    }
    error = -tcs_marker_self(&self);
    if (error == 0) {
        error = -tcs_marker_name_format(&self, marker->clock->name, name,
                                        sizeof(name));
    }
    if (error != 0) {
        return fail(error, ret_reason, size, "reading /proc/self/stat: %s",
                    strerror(error));
    }
    if (n_open == 0) {
        tidy(tracing_dir);
    }
    errno = 0;
    marker->instance = tracefs_instance_create(name);
    if (marker->instance == NULL) {
        error = last_error();
        if (n_open == 0) {
            tcs_marker_watch_stop(watch_fd);
        }
        return fail(error, ret_reason, size, "mkdir %s/%s: %s; %s", dir, name,
                    strerror(error), advice(error));
    }
    n_open++;
    return 0;
}

int tcs_marker_open(const struct tcs_marker_clock *clock,
                    struct tcs_marker **ret_marker, char *ret_reason,
                    size_t reason_size)
{
    struct tcs_marker *marker = calloc(1, sizeof(*marker));
    int ret;

    if (marker == NULL) {
        return fail(ENOMEM, ret_reason, reason_size, "out of memory");
    }
    marker->clock = clock;
    marker->marker_fd = marker->pipe_fd = marker->pipe_cpu = -1;
    ret = make_instance(marker, ret_reason, reason_size);
    if (ret == 0) {
        ret = set_up(marker, ret_reason, reason_size);
    }
    if (ret < 0) {
        tcs_marker_close(marker);
        return ret;
    }
    *ret_marker = marker;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void tcs_marker_close(struct tcs_marker *marker)
{
    close_fd(marker->pipe_fd);
    close_fd(marker->marker_fd);
    if (marker->kbuffer != NULL) {
        kbuffer_free(marker->kbuffer);
    }
    if (marker->instance != NULL) {
        /* Only with all of its files closed. */
        tracefs_instance_destroy(marker->instance);
        tracefs_instance_free(marker->instance);
        n_open--;
        if (n_open == 0) {
            tcs_marker_watch_stop(watch_fd);
            watch_fd = -1;
        }
    }
    free(marker);
}

static int open_pipe(struct tcs_marker *marker, int cpu, char *ret_reason,
                     size_t size)
{
    char file[64];

    if (marker->pipe_cpu == cpu) {
        return 0;
    }
    close_fd(marker->pipe_fd);
    marker->pipe_cpu = -1;
    snprintf(file, sizeof(file), "per_cpu/cpu%d/trace_pipe_raw", cpu);
    marker->pipe_fd = tracefs_instance_file_open(
        marker->instance, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (marker->pipe_fd < 0) {
        int error = last_error();

        return fail(error, ret_reason, size, "opening %s/%s: %s; %s",
                    tracefs_instance_get_name(marker->instance), file,
                    strerror(error), advice(error));
    }
    marker->pipe_cpu = cpu;
    return 0;
}

static int shoot(struct tcs_marker *marker, struct shot *shot, char *ret_reason,
                 size_t size)
{
    struct payload payload = { EVENT_MAGIC, marker->next_number++ };
    ssize_t written;
    int error;

    shot->before = tcs_counter_before();
    written = write(marker->marker_fd, &payload, sizeof(payload));
    error = errno;
    shot->after = tcs_counter_after();
    shot->found = false;
    if (written < 0) {
        return fail(error, ret_reason, size,
                    "writing a marker: %s; see that tracing is not disabled",
                    strerror(error));
    }
    return 0;
}

/* The events of one page of the ring buffer; returns how many are ours. */
static unsigned int take_page(struct tcs_marker *marker, struct shot *shots,
                              unsigned int n, uint32_t first)
{
    unsigned int found = 0;
    unsigned long long stamp;
    void *event;

    if (kbuffer_load_subbuffer(marker->kbuffer, marker->page) < 0) {
        return 0;
    }
    while ((event = kbuffer_read_event(marker->kbuffer, &stamp)) != NULL) {
        struct payload payload;

        if (kbuffer_event_size(marker->kbuffer) >=
            EVENT_HEAD_SIZE + (int)sizeof(payload)) {
            memcpy(&payload, (char *)event + EVENT_HEAD_SIZE, sizeof(payload));
            if (payload.magic == EVENT_MAGIC && payload.number - first < n) {
                shots[payload.number - first].stamp = stamp;
                shots[payload.number - first].found = true;
                found++;
            }
        }
        kbuffer_next_event(marker->kbuffer, NULL);
    }
    return found;
}

/* Writes `n` events and finds their stamps: fills `shots`. */
static int shoot_batch(struct tcs_marker *marker, struct shot *shots,
                       unsigned int n, char *ret_reason, size_t size)
{
    uint32_t first = marker->next_number;
    unsigned int found = 0;
    ssize_t len = 1;

    for (unsigned int i = 0; i < n; i++) {
        int ret = shoot(marker, &shots[i], ret_reason, size);

        if (ret < 0) {
            return ret;
        }
    }
    while (found < n && len > 0) {
        len = read(marker->pipe_fd, marker->page, sizeof(marker->page));
        if (len > 0) {
            found += take_page(marker, shots, n, first);
        }
    }
    if (len < 0 && errno != EAGAIN && errno != EINTR) {
        int error = errno;

        return fail(error, ret_reason, size, "reading trace_pipe_raw: %s",
                    strerror(error));
    }
    return 0;
}

/* One step of `uptime` as ftrace shows it. */
static uint64_t unit_ns(void)
{
    return NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
}

static uint64_t now_ns(clockid_t id)
{
    struct timespec time;

    clock_gettime(id, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static int fail_range(uint64_t value, char *ret_reason, size_t size)
{
    return fail(ERANGE, ret_reason, size,
                "the clock shows %" PRIu64 ", which cannot be", value);
}

static int fail_empty(int cpu, char *ret_reason, size_t size)
{
    return fail(EAGAIN, ret_reason, size,
                "no marker arrived in the trace buffer of CPU %d", cpu);
}

/*
 * `uptime`, where it moves on. A count of ticks says when the kernel counted,
 * which may be long ago: in a VM the CPU that counts may not have run. But as
 * it moves on the kernel has just caught up, with all ticks that were due, and
 * that is between a shot that still has the old count and one that has the
 * new. (CLOCK_MONOTONIC_COARSE does not tell how late a count is: adjtimex()
 * moves that clock without counting.)
 */
static int read_uptime(struct tcs_marker *marker,
                       struct tcs_clock_sample *ret_sample, char *ret_reason,
                       size_t size)
{
    const struct timespec pause = { .tv_nsec = UPTIME_PAUSE_NS };
    uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + UPTIME_WAIT_NS;
    struct shot old = { 0 }, new = { 0 };

    do {
        int ret = shoot_batch(marker, &new, 1, ret_reason, size);

        if (ret < 0) {
            return ret;
        }
        if (new.found &&new.stamp > INT64_MAX / unit_ns()) {
            return fail_range(new.stamp, ret_reason, size);
        }
        if (old.found && new.found &&new.stamp > old.stamp) {
            ret_sample->counter_before = old.before;
            ret_sample->counter_after = new.after;
            ret_sample->value_ns = (int64_t)(new.stamp *unit_ns());
            ret_sample->resolution_ns = tcs_uptime_resolution(
                (new.stamp - old.stamp) * unit_ns(), marker->jiffy_ns);
            return 0;
        }
        if (new.found) {
            old = new;
        }
        nanosleep(&pause, NULL);
    } while (now_ns(CLOCK_MONOTONIC) < end_ns);
    if (!old.found) {
        return fail_empty(marker->pipe_cpu, ret_reason, size);
    }
    return fail(ETIME, ret_reason, size,
                "the kernel counted no ticks for %d ms; try again",
                (int)(UPTIME_WAIT_NS / 1000000));
}

int tcs_marker_read(struct tcs_marker *marker, int cpu, unsigned int samples,
                    struct tcs_clock_sample *ret_sample, char *ret_reason,
                    size_t reason_size)
{
    struct shot shots[BATCH_MAX], best = { 0 };
    uint64_t least = UINT64_MAX, most = 0;
    unsigned int taken = 0, done = 0;
    int ret = open_pipe(marker, cpu, ret_reason, reason_size);

    assert(samples > 0);
    if (ret == 0 && marker->clock->kind == TCS_MARKER_UPTIME) {
        return read_uptime(marker, ret_sample, ret_reason, reason_size);
    }
    /* Two at least: only two can show that the clock moves. */
    for (samples = samples < 2 ? 2 : samples; ret == 0 && done < samples;) {
        unsigned int n = samples - done;

        n = n < BATCH_MAX ? n : BATCH_MAX;
        ret = shoot_batch(marker, shots, n, ret_reason, reason_size);
        for (unsigned int i = 0; i < n && ret == 0; i++) {
            const struct shot *shot = &shots[i];

            if (!shot->found) {
                continue;
            }
            least = shot->stamp < least ? shot->stamp : least;
            most = shot->stamp > most ? shot->stamp : most;
            if (taken++ == 0 ||
                shot->after - shot->before < best.after - best.before) {
                best = *shot;
            }
        }
        done += n;
    }
    if (ret < 0) {
        return ret;
    }
    if (taken == 0) {
        return fail_empty(cpu, ret_reason, reason_size);
    }
    if (most > INT64_MAX) {
        return fail_range(most, ret_reason, reason_size);
    }
    if (marker->clock->kind == TCS_MARKER_NS && taken > 1 && least == most) {
        return fail(EDOM, ret_reason, reason_size,
                    "the clock did not move during %u readings: it follows "
                    "the timer tick here, which is too coarse",
                    taken);
    }
    ret_sample->counter_before = best.before;
    ret_sample->counter_after = best.after;
    ret_sample->value_ns = (int64_t)best.stamp;
    ret_sample->resolution_ns = marker->clock->kind == TCS_MARKER_COUNT ? 0 : 1;
    return 0;
}
