/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a backend on every vCPU thread. The threads' answers go into a round
 * shared by counting, because one that comes after the timeout must still find
 * its place in memory.
 */
#include "vcpus.h"

#include "epochs.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How long an unanswered question keeps a vCPU from being asked again. */
#define OUTSTANDING_LIMIT_US (10 * G_USEC_PER_SEC)

struct round {
    gatomicrefcount references;
    struct tcs_vm_report vm;
    const char *cause;
    GMutex lock; /* guards what follows */
    GCond answered;
    size_t pending;
    struct tcs_vcpu_report reports[];
};

/* One question to one vCPU. */
struct question {
    struct round *round;
    size_t slot;
};

/* Questions that have not been answered: cpu-index to time of asking. */
static GHashTable *outstanding;
static GMutex outstanding_lock;

int tcs_vcpus_limit(void)
{
    QObject *smp = object_property_get_qobject(qdev_get_machine(), "smp", NULL);

    if (!smp) {
        return 0;
    }
    int64_t limit = qdict_get_try_int((QDict *)smp, "maxcpus", 0);

    qdict_unref((QDict *)smp);
    return (int)limit;
}

/*
 * One that is being unplugged stays listed until its thread has ended, and work
 * given to it then is never done. It is no longer "realized" from before the
 * thread is told to end, which finishes all work it was given until then.
 */
bool tcs_vcpu_exists(int cpu_index)
{
    CPUState *cpu = qemu_get_cpu(cpu_index);

    return cpu && object_property_get_bool((Object *)cpu, "realized", NULL);
}

GArray *tcs_vcpus_all(void)
{
    GArray *indices = g_array_new(FALSE, FALSE, sizeof(int));
    int limit = tcs_vcpus_limit();

    for (int i = 0; i < limit; i++) {
        if (tcs_vcpu_exists(i)) {
            g_array_append_val(indices, i);
        }
    }
    return indices;
}

static void round_unref(struct round *round)
{
    if (g_atomic_ref_count_dec(&round->references)) {
        g_mutex_clear(&round->lock);
        g_cond_clear(&round->answered);
        g_free(round);
    }
}

/* On the vCPU thread. */
static void answer(CPUState *cpu, run_on_cpu_data data)
{
    struct question *question = data.host_ptr;
    struct round *round = question->round;
    struct tcs_vcpu_report *slot = &round->reports[question->slot];
    /* Only the vCPU itself writes its slot, but the asker may copy it. */
    struct tcs_vcpu_report report = {
        .cpu_index = slot->cpu_index,
        .has_arch_id = slot->has_arch_id,
        .arch_id = slot->arch_id,
        .hotplugged = slot->hotplugged,
        .thread_id = gettid(),
    };

    round->vm.backend->read_vcpu(cpu, &round->vm, &report);
    tcs_epochs_note(&report, !report.reason[0] && !round->vm.unstable[0],
                    round->cause);
    g_mutex_lock(&outstanding_lock);
    g_hash_table_remove(outstanding, GINT_TO_POINTER(report.cpu_index));
    g_mutex_unlock(&outstanding_lock);

    g_mutex_lock(&round->lock);
    *slot = report;
    round->pending--;
    g_cond_signal(&round->answered);
    g_mutex_unlock(&round->lock);

    round_unref(round);
    g_free(question);
}

/*
 * Notes a question to be put; false where an earlier one has been unanswered
 * for so long that another would only pile up.
 */
static bool note_question(int cpu_index)
{
    gpointer key = GINT_TO_POINTER(cpu_index);
    int64_t now_us = g_get_monotonic_time();
    int64_t *asked_us, age_us;

    g_mutex_lock(&outstanding_lock);
    if (!outstanding) {
        outstanding = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    }
    asked_us = g_hash_table_lookup(outstanding, key);
    age_us = asked_us ? now_us - *asked_us : OUTSTANDING_LIMIT_US;
    if (age_us >= OUTSTANDING_LIMIT_US) {
        g_hash_table_replace(outstanding, key,
                             g_memdup2(&now_us, sizeof(now_us)));
    }
    g_mutex_unlock(&outstanding_lock);
    return age_us < TCS_VCPU_TIMEOUT_MS * G_TIME_SPAN_MILLISECOND ||
           age_us >= OUTSTANDING_LIMIT_US;
}

static void ask(struct round *round, size_t slot)
{
    struct tcs_vcpu_report *report = &round->reports[slot];
    CPUState *cpu = qemu_get_cpu(report->cpu_index);

    if (object_property_find((Object *)cpu, "apic-id")) {
        report->has_arch_id = true;
        report->arch_id =
            object_property_get_uint((Object *)cpu, "apic-id", NULL);
    }
    report->hotplugged =
        object_property_get_bool((Object *)cpu, "hotplugged", NULL);
    /* Stays unless an answer replaces it. */
    snprintf(report->reason, sizeof(report->reason),
             "the vCPU did not answer within %d ms", TCS_VCPU_TIMEOUT_MS);
    if (!note_question(report->cpu_index)) {
        return;
    }

    struct question *question = g_new(struct question, 1);

    *question = (struct question){ .round = round, .slot = slot };
    g_atomic_ref_count_inc(&round->references);
    g_mutex_lock(&round->lock);
    round->pending++;
    g_mutex_unlock(&round->lock);
    async_run_on_cpu(cpu, answer, (run_on_cpu_data){ .host_ptr = question });
}

static void big_lock_release(void)
{
    if (bql_unlock) {
        bql_unlock();
    } else {
        qemu_mutex_unlock_iothread();
    }
}

static void big_lock_take(void)
{
    if (bql_lock_impl) {
        bql_lock_impl(__FILE__, __LINE__);
    } else {
        qemu_mutex_lock_iothread_impl(__FILE__, __LINE__);
    }
}

/* Puts the question to the vCPUs; the round is shared with them from now on. */
static struct round *round_start(const struct tcs_vm_report *vm,
                                 const GArray *indices, const char *cause)
{
    struct round *round =
        g_malloc0(sizeof(*round) + indices->len * sizeof(round->reports[0]));

    g_atomic_ref_count_init(&round->references);
    g_mutex_init(&round->lock);
    g_cond_init(&round->answered);
    round->vm = *vm;
    round->cause = cause;
    for (guint i = 0; i < indices->len; i++) {
        round->reports[i].cpu_index = g_array_index(indices, int, i);
        ask(round, i);
    }
    return round;
}

void tcs_vcpus_ask(const struct tcs_vm_report *vm, const GArray *indices,
                   const char *cause, struct tcs_vcpu_report *reports)
{
    struct round *round = round_start(vm, indices, cause);
    int64_t deadline_us =
        g_get_monotonic_time() + TCS_VCPU_TIMEOUT_MS * G_TIME_SPAN_MILLISECOND;

    big_lock_release();
    g_mutex_lock(&round->lock);
    while (round->pending > 0 &&
           g_cond_wait_until(&round->answered, &round->lock, deadline_us)) {
    }
    memcpy(reports, round->reports, indices->len * sizeof(reports[0]));
    g_mutex_unlock(&round->lock);
    big_lock_take();
    round_unref(round);
}

void tcs_vcpus_observe(const struct tcs_vm_report *vm, const char *cause)
{
    g_autoptr(GArray) indices = tcs_vcpus_all();

    round_unref(round_start(vm, indices, cause));
}
