"""Starts the image's program as a container runtime does, without one: root folder, user, capabilities, namespaces.

It is a program too: `python3 -m support.container ROOT COMMAND...` in new namespaces, as start() calls it.
"""

import ctypes
import os
import struct
import sys
from pathlib import Path

from support.processes import Process

USER = 65532
CAP_NET_BIND_SERVICE = 10
CAP_LAST = 63

PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
CAPABILITY_VERSION_3 = 0x20080522


def start(root, arguments, folder, name="container"):
    """Runs arguments[0] of `root` on a network of its own (loopback alone), with the root read-only, as a Pod of
    deploy/kustomize runs it: user 65532, no new privileges, no capability but NET_BIND_SERVICE. Needs root."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ip link set lo up && exec "$@"'
    return Process(
        name,
        ["unshare", "--mount", "--net", "sh", "-c", script, root, sys.executable, "-m", "support.container", root, *arguments],
        folder,
        environment={"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )


def inside(process, *arguments):
    """The command line that runs a program of this machine on the network of that process."""
    return ["nsenter", f"--net=/proc/{process.pid}/ns/net", *arguments]


def _become(root):
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function, *arguments):
        if function(*arguments) != 0:
            raise OSError(ctypes.get_errno(), f"{function.__name__}{arguments}")

    os.chroot(root)
    os.chdir("/etc/coredns")
    for capability in range(CAP_LAST + 1):
        if capability != CAP_NET_BIND_SERVICE:
            # Fails for numbers that this kernel does not have.
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    call(libc.prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    # Effective and permitted: the one capability; inheritable: none, as runtimes do since CVE-2022-24769.
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    mask = 1 << CAP_NET_BIND_SERVICE
    data = ctypes.create_string_buffer(struct.pack("=6I", mask, mask, 0, 0, 0, 0))
    call(libc.syscall, SYS_CAPSET[os.uname().machine], header, data)
    call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


if __name__ == "__main__":
    _become(sys.argv[1])
    os.execve(sys.argv[2], sys.argv[2:], {"PATH": "/"})
