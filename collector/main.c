/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace-clock-sync: finds the verb and prints its error. Knows nothing of VMs.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "verb.h"
#include "worker.h"

static const TcsVerb *const verbs[] = {
    &tcs_verb_show,    &tcs_verb_record, &tcs_verb_map,   &tcs_verb_compare,
    &tcs_verb_convert, &tcs_verb_apply,  &tcs_verb_check, &tcs_verb_export,
    &tcs_verb_plot,    &tcs_verb_plugin,
};

static void print_help(FILE *file)
{
    fprintf(file, "Usage: trace-clock-sync VERB [OPTION...]\n\n"
                  "Puts a host and its virtual machines on one timeline.\n\n"
                  "Verbs:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
        fprintf(file, "  %-8s  %s\n", verbs[i]->name, verbs[i]->summary);
    }
    fprintf(file,
            "\ntrace-clock-sync VERB --help tells a verb's options,\n"
            "trace-clock-sync --version which version this is.\n\n"
            "Exit status: 0 done; 1 internal error; 2 usage; 3 the VM, its\n"
            "agent or libvirt cannot be reached; 4 refused, because data\n"
            "contradict each other or a clock cannot be mapped; 5 a file\n"
            "cannot be read or written.\n");
}

static const TcsVerb *find_verb(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
        if (strcmp(verbs[i]->name, name) == 0) {
            return verbs[i];
        }
    }
    return NULL;
}

/*
 * Where a standard descriptor was closed, the next socket would get its number,
 * and what is printed would go to a peer. Opened in the wrong direction they
 * fail as closed ones do.
 */
static void occupy_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            _exit(TCS_ERROR_INTERNAL);
        }
    }
}

int main(int argc, char **argv)
{
    const TcsVerb *verb;
    g_autofree char *program = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    occupy_standard_descriptors();
    setlocale(LC_CTYPE, "");
    if (argc < 2) {
        print_help(stderr);
        return TCS_ERROR_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("trace-clock-sync %s\n", TCS_VERSION);
        return 0;
    }
    verb = find_verb(argv[1]);
    if (!verb) {
        fprintf(stderr,
                "trace-clock-sync: there is no verb '%s'; see "
                "trace-clock-sync --help\n",
                argv[1]);
        return TCS_ERROR_USAGE;
    }
    /* What a verb's --help calls itself. */
    program = g_strdup_printf("trace-clock-sync %s", verb->name);
    g_set_prgname(program);
    status = verb->run(argc - 1, argv + 1, &error);
    /* Also where a verb printed and did not look whether it could. */
    if ((fflush(stdout) == EOF || ferror(stdout)) && !error) {
        g_set_error(&error, TCS_ERROR, TCS_ERROR_FILE,
                    "cannot write all to standard output: %s",
                    g_strerror(errno));
        status = TCS_ERROR_FILE;
    }
    if (error) {
        fprintf(stderr, "%s: %s\n", program, error->message);
    }
    if (tcs_worker_was_any_started()) {
        _exit(status);
    }
    return status;
}
