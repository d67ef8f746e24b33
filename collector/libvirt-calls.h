/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's own functions, in a table that is filled when the first domain is
 * asked for. libvirt brings some fifty libraries, which would be most of the
 * time that every run of the program takes to start.
 */
#ifndef COLLECTOR_LIBVIRT_CALLS_H
#define COLLECTOR_LIBVIRT_CALLS_H

#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_BEGIN_DECLS

#define TCS_LIBVIRT_CALLS(CALL)       \
    CALL(virConnectClose)             \
    CALL(virConnectGetType)           \
    CALL(virConnectGetURI)            \
    CALL(virConnectListAllDomains)    \
    CALL(virConnectOpen)              \
    CALL(virConnectSetKeepAlive)      \
    CALL(virDomainDefineXML)          \
    CALL(virDomainFree)               \
    CALL(virDomainGetID)              \
    CALL(virDomainGetName)            \
    CALL(virDomainGetUUID)            \
    CALL(virDomainGetXMLDesc)         \
    CALL(virDomainIsActive)           \
    CALL(virDomainIsPersistent)       \
    CALL(virDomainLookupByName)       \
    CALL(virDomainLookupByUUID)       \
    CALL(virDomainQemuAgentCommand)   \
    CALL(virDomainQemuMonitorCommand) \
    CALL(virEventRegisterDefaultImpl) \
    CALL(virGetLastErrorCode)         \
    CALL(virGetLastErrorMessage)      \
    CALL(virInitialize)               \
    CALL(virSetErrorFunc)

typedef struct {
#define TCS_LIBVIRT_MEMBER(name) __typeof__(name) *name;
    TCS_LIBVIRT_CALLS(TCS_LIBVIRT_MEMBER)
#undef TCS_LIBVIRT_MEMBER
} TcsLibvirtCalls;

/* To be called where tcs_libvirt_load() has returned TRUE, in any thread. */
extern TcsLibvirtCalls tcs_libvirt;

/*
 * Once in a process, whichever thread is first. TCS_ERROR_UNREACHABLE where
 * the library is not installed, or lacks one of the functions.
 */
gboolean tcs_libvirt_load(GError **error);

G_END_DECLS

#endif
