"""A corner of the machine where a case may do what it likes: nothing else can be written.

In Linux's namespaces: all file systems are read-only but for the sandbox, `/tmp` and `/dev/shm`
are new and empty, there is no network but this machine's own address, and all processes end with
the first.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

NEW_MOUNTS, NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x20000, 0x10000000, 0x20000000, 0x40000000
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 32, 4096, 16384, 1 << 18
KEPT = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048}
KEPT["relatime"] = 1 << 21
NOT_ALLOWED = 2
HIDDEN = ("/tmp", "/dev/shm")  # behind empty ones
LEFT_AS_THEY_ARE = re.compile("/(proc|sys|dev)(/|$)")  # no files of anyone's lie there

_libc = ctypes.CDLL(None, use_errno=True)


class NotIsolatedError(Exception):
    """A machine does not allow it."""


def isolated(sandbox: Path, work: Callable[[], int]) -> int:
    """Do work in a child process that can write nothing but the sandbox.

    Args:
        sandbox: an empty folder, which stays there when the child has ended.
        work: returns an exit code.

    Returns:
        That exit code; `NOT_ALLOWED`, after a line on standard error, if this machine does not
        allow it and nothing was done.
    """
    for place in HIDDEN:
        if any(Path(path).is_relative_to(place) for path in (Path(__file__).resolve(), sys.prefix)):
            print(f"error: {place} is replaced; use a checkout elsewhere", file=sys.stderr)
            return NOT_ALLOWED
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        _die_with_parent()
        _leave_namespaces()
        first = os.fork()
        if first:
            code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
        else:
            _die_with_parent()
            _close_off(sandbox)
            code = work()
    except NotIsolatedError as error:
        print(f"error: {error}", file=sys.stderr)
        code = NOT_ALLOWED
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(code if code >= 0 else 1)


def _die_with_parent() -> None:
    _call("prctl", 1, signal.SIGKILL, 0, 0, 0)


def _leave_namespaces() -> None:
    """Leave those of this machine; the next process that is forked is the first of its own."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", NEW_MOUNTS | NEW_PROCESSES | NEW_NETWORK | (NEW_USER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _close_off(sandbox: Path) -> None:
    mount("", "/", flags=PRIVATE | RECURSIVE)
    ours = os.open(sandbox, os.O_RDONLY)
    inside = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/dev/shm")}
    for folder in inside:
        mount("tmpfs", str(folder), "tmpfs")
    sandbox.mkdir(parents=True, exist_ok=True)
    mount(f"/proc/self/fd/{ours}", str(sandbox), flags=BIND)
    os.close(ours)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point, options = line.split()[4:6]
        if LEFT_AS_THEY_ARE.match(point) or Path(point) in {*inside, sandbox}:
            continue
        kept = sum(flag for name, flag in KEPT.items() if name in options.split(","))
        mount("", point, flags=REMOUNT | BIND | READ_ONLY | kept)
    mount("proc", "/proc", "proc")
    _bring_loopback_up()
    for folder in (Path("/"), Path.home(), Path.cwd(), Path(__file__).parent):
        if folder.exists() and _can_write(folder):
            raise NotIsolatedError(f"{folder} can be written; nothing was run")


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, options: str = "") -> None:
    """Mount a file system.

    Raises:
        NotIsolatedError: if that is refused.
    """
    texts = [text.encode() or None for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), options.encode() or None)


def unmount(target: Path) -> None:
    """Take a file system away, also while it is in use."""
    _call("umount2", str(target).encode(), 2)


def drop_privileges() -> None:
    """Drop, for good, what root may do beyond what any owner of its files may."""
    for capability in range(64):
        _libc.prctl(24, capability, 0, 0, 0)  # from the bounding set, for programs that follow
    header = struct.pack("Ii", 0x20080522, 0)
    _call("capset", header, struct.pack("6I", *[0] * 6))


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        reason = os.strerror(ctypes.get_errno())
        raise NotIsolatedError(
            f"this machine cannot be protected from the cases ({name}: {reason}); "
            "they need Linux, and root or user namespaces"
        )


def _bring_loopback_up() -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sh22x", b"lo", 1 | 64)  # up, running
        fcntl.ioctl(any_socket, 0x8914, request)


def _can_write(folder: Path) -> bool:
    try:
        handle, path = tempfile.mkstemp(dir=folder)
    except OSError:
        return False
    os.close(handle)
    Path(path).unlink()
    return True
