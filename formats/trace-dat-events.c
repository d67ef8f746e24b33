/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-dat-events.h. What the child sends is as hostile as the file is.
 */
#include "trace-dat-events.h"

#include <errno.h>
#include <event-parse.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trace-cmd.h>
#include <unistd.h>

#include "trace-dat-open.h"

#define NAME_LEN_MAX 255
/* The kernel numbers its events with 16 bits. */
#define NAMES_MAX 65536u
/* On either side of the pipe; stdio's own would be a page. */
#define BUFFER_BYTES 65536
/* After so many events the child gets its minute anew. */
#define MORE_EVENTS 4096

enum { EVENT, NAME, END };

/* What the child sends; no type here has values that are none. */
struct message {
    uint32_t kind;
    uint32_t name; /* EVENT: of those sent so far; NAME: its number */
    uint64_t ts;
    int32_t cpu, pid;
    uint32_t lost_before;
};

struct name {
    char system[NAME_LEN_MAX + 1], name[NAME_LEN_MAX + 1];
};

struct sender {
    const char *path;
    int pipe[2];
    FILE *out;
    uint32_t n_events, n_names;
    uint32_t number_of[NAMES_MAX]; /* by the kernel's, plus 1; 0: unsent */
};

struct tcs_trace_dat_event tcs_trace_dat_event_of(struct tracecmd_input *handle,
                                                  struct tep_record *record)
{
    struct tep_handle *tep = tracecmd_get_tep(handle);
    struct tep_event *event = tep_find_event_by_record(tep, record);

    return (struct tcs_trace_dat_event){
        .ts = record->ts,
        .cpu = record->cpu,
        .pid = tep_data_pid(tep, record),
        .system = event ? event->system : "",
        .name = event ? event->name : "",
        .lost_before = record->missed_events != 0,
    };
}

static bool send(struct sender *sender, const void *data, size_t size)
{
    return fwrite_unlocked(data, size, 1, sender->out) == 1;
}

static bool send_name(struct sender *sender,
                      const struct tcs_trace_dat_event *event)
{
    const struct message message = { .kind = NAME, .name = sender->n_names };
    struct name name = { 0 };

    snprintf(name.system, sizeof(name.system), "%s", event->system);
    snprintf(name.name, sizeof(name.name), "%s", event->name);
    return send(sender, &message, sizeof(message)) &&
           send(sender, &name, sizeof(name));
}

static int on_record(struct tracecmd_input *handle, struct tep_record *record,
                     int cpu, void *data)
{
    struct sender *sender = data;
    const struct tcs_trace_dat_event event =
        tcs_trace_dat_event_of(handle, record);
    const unsigned int id =
        (unsigned int)tep_data_type(tracecmd_get_tep(handle), record);
    uint32_t *number = &sender->number_of[id % NAMES_MAX];

    if (++sender->n_events % MORE_EVENTS == 0) {
        tcs_trace_dat_child_more();
    }
    if (*number == 0) {
        if (!send_name(sender, &event)) {
            return -EPIPE;
        }
        *number = ++sender->n_names;
    }
    const struct message message = { .kind = EVENT,
                                     .name = *number - 1,
                                     .ts = event.ts,
                                     .cpu = event.cpu,
                                     .pid = event.pid,
                                     .lost_before = event.lost_before };

    return send(sender, &message, sizeof(message)) ? 0 : -EPIPE;
}

static int send_events(void *data)
{
    const struct message end = { .kind = END };
    struct sender *sender = data;
    struct tracecmd_input *handle = tcs_trace_dat_open_here(sender->path);

    close(sender->pipe[0]);
    sender->out = fdopen(sender->pipe[1], "w");
    if (!handle || !sender->out ||
        setvbuf(sender->out, NULL, _IOFBF, BUFFER_BYTES) != 0 ||
        tracecmd_iterate_events(handle, NULL, 0, on_record, sender) < 0) {
        return -1;
    }
    return send(sender, &end, sizeof(end)) && fclose(sender->out) == 0 ? 0 : -1;
}

struct receiver {
    FILE *in;
    struct name **names;
    uint32_t n_names;
    tcs_trace_dat_event_fn *fn;
    void *data;
};

static bool receive(struct receiver *receiver, void *ret, size_t size)
{
    return fread_unlocked(ret, size, 1, receiver->in) == 1;
}

static bool receive_name(struct receiver *receiver, uint32_t number)
{
    struct name *name = malloc(sizeof(*name));

    if (!name || number != receiver->n_names || number >= NAMES_MAX ||
        !receive(receiver, name, sizeof(*name))) {
        free(name);
        return false;
    }
    name->system[NAME_LEN_MAX] = name->name[NAME_LEN_MAX] = '\0';
    receiver->names[receiver->n_names++] = name;
    return true;
}

/* Returns 0 after the child's last word. */
static int receive_events(struct receiver *receiver)
{
    struct message message;
    int ret = 0;

    while (ret == 0 && receive(receiver, &message, sizeof(message))) {
        if (message.kind == END) {
            return 0;
        }
        if (message.kind == NAME) {
            ret = receive_name(receiver, message.name) ? 0 : -EINVAL;
        } else if (message.kind == EVENT && message.name < receiver->n_names) {
            const struct name *name = receiver->names[message.name];
            const struct tcs_trace_dat_event event = {
                .ts = message.ts,
                .cpu = message.cpu,
                .pid = message.pid,
                .system = name->system,
                .name = name->name,
                .lost_before = message.lost_before != 0,
            };

            ret = receiver->fn(&event, receiver->data);
        } else {
            ret = -EINVAL;
        }
    }
    return ret ? ret : -EINVAL;
}

static int receive_all(int fd, tcs_trace_dat_event_fn *fn, void *data)
{
    struct receiver receiver = {
        .in = fdopen(fd, "r"),
        .names = calloc(NAMES_MAX, sizeof(*receiver.names)),
        .fn = fn,
        .data = data,
    };
    int ret = -EINVAL;

    if (receiver.in && receiver.names &&
        setvbuf(receiver.in, NULL, _IOFBF, BUFFER_BYTES) == 0) {
        ret = receive_events(&receiver);
    }
    for (uint32_t i = 0; i < receiver.n_names; i++) {
        free(receiver.names[i]);
    }
    free(receiver.names);
    if (receiver.in) {
        fclose(receiver.in);
    } else {
        close(fd);
    }
    return ret;
}

int tcs_trace_dat_each_event(const char *path, tcs_trace_dat_event_fn *fn,
                             void *data)
{
    struct sender *sender = calloc(1, sizeof(*sender));
    struct tcs_trace_dat_child child;
    int ret = -EINVAL;

    if (!sender || pipe2(sender->pipe, O_CLOEXEC) < 0) {
        free(sender);
        return ret;
    }
    sender->path = path;
    /* What the library has to say of the file is seen. */
    if (tcs_trace_dat_child_start(&child, true, send_events, sender)) {
        close(sender->pipe[1]);
        ret = receive_all(sender->pipe[0], fn, data);
        kill(child.pid, SIGKILL); /* it may have more to say */
        tcs_trace_dat_child_end(&child);
    } else {
        close(sender->pipe[0]);
        close(sender->pipe[1]);
    }
    free(sender);
    return ret;
}
