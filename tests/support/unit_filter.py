#!/usr/bin/env python3
"""Run a program under the system calls that a unit file allows, without a service manager.

usage: unit_filter.py UNIT COMMAND...

Reads the SystemCallFilter= lines as systemd.exec(5) has them: the first decides whether it is a list
of what is allowed; ~ takes away. Groups are those of this machine's systemd-analyze. What is not
allowed fails with EPERM, as SystemCallErrorNumber= of the unit says. Run by root, it becomes nobody
first (65534), with no capability left.
"""
import ctypes
import errno
import os
import subprocess
import sys

SCMP_ACT_ALLOW = 0x7FFF0000
SCMP_ACT_ERRNO_EPERM = 0x00050000 | errno.EPERM
NR_SCMP_ERROR = -1


def expand(word):
    """The calls of a group, with the groups in it; or the call itself."""
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    members = [line.strip() for line in text.splitlines()[1:]]
    return set().union(*(expand(m) for m in members if m and not m.startswith("#")))


def allowed_by(unit):
    calls = set(expand("@default"))
    for line in open(unit, encoding="utf-8"):
        key, _, value = line.strip().partition("=")
        if key != "SystemCallFilter":
            continue
        named = set().union(*(expand(word) for word in value.lstrip("~").split()))
        calls = calls - named if value.startswith("~") else calls | named
    return calls


def load(calls):
    lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]
    lib.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                     ctypes.c_uint]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    context = lib.seccomp_init(SCMP_ACT_ERRNO_EPERM)
    for call in sorted(calls):
        number = lib.seccomp_syscall_resolve_name(call.encode())
        if number != NR_SCMP_ERROR and lib.seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0):
            sys.exit("unit_filter: " + call)
    if lib.seccomp_load(context) != 0:
        sys.exit("unit_filter: the kernel does not take the filter")


calls = allowed_by(sys.argv[1])
if "ptrace" in calls or "execve" not in calls:
    sys.exit("unit_filter: %d calls allowed, that can not be the unit's list" % len(calls))
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
load(calls)
os.execvp(sys.argv[2], sys.argv[2:])
