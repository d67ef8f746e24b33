/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's CLOCK_REALTIME as KVM tells it to a guest that asks: Linux's
 * ptp_kvm device (KVM_HC_CLOCK_PAIRING). Nothing of the kind outside a guest.
 */
#ifndef CLOCKREAD_PTP_KVM_H
#define CLOCKREAD_PTP_KVM_H

#include <stddef.h>

#include "posix-clock.h"

#define TCS_PTP_KVM_NAME "ptp-kvm"

/*
 * Opens the device. Returns a descriptor, to be closed; or -errno with a text
 * for a person in `reason`: -ENODEV where there is no such device, or what
 * open() says.
 */
int tcs_ptp_kvm_open(char *reason, size_t size);

/*
 * Reads the clock `samples` (at least 1) times between two counter reads and
 * keeps the tightest. Each reading is a hypercall.
 *
 * Returns 0 or -errno with a text in `reason`; -EOPNOTSUPP where the host
 * cannot tell.
 */
int tcs_ptp_kvm_read(int fd, unsigned int samples,
                     struct tcs_clock_sample *ret_sample, char *reason,
                     size_t size);

#endif
