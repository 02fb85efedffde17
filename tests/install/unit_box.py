"""Runs a program under what a unit takes away from it, as far as that can be had without a running systemd: system calls, address
families, namespaces, writable code, files, rights of new files.

    python unit_box.py UNIT COMMAND...

The lists of system calls are systemd's own (`systemd-analyze syscall-filter`); the filters are made by libseccomp, as its are.
"""

import ctypes
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

KILL_NOT, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
NOT_EQUAL, EQUAL, MASKED = 1, 4, 7
PROT_WRITE, PROT_EXEC = 2, 4
NAMESPACES = {
    "mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000,
    "net": 0x40000000,
}  # fmt: skip
FAMILIES_MAX = 46


class Compare(ctypes.Structure):
    """One argument of a system call: `value`, or `mask` and what is left under it."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("under", ctypes.c_uint64),
    )


class Filter:
    """What happens to a system call that no rule names, and the rules."""

    def __init__(self, library: ctypes.CDLL, otherwise: int) -> None:
        self._library = library
        self._context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(otherwise)))

    def rule(self, action: int, name: str, *compares: Compare) -> None:
        """A call that this machine does not have needs none."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            given = (Compare * len(compares))(*compares)
            failed = self._library.seccomp_rule_add_array(
                self._context, ctypes.c_uint32(action), number, len(compares), given
            )
            assert not failed, (name, failed)

    def load(self) -> None:
        assert self._library.seccomp_load(self._context) == 0


def settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        key, is_one, value = line.partition("=")
        if is_one and not line.startswith(("#", "[")):
            found.setdefault(key, []).append(value)
    return found


def allowed(lines: Sequence[str]) -> set[str]:
    """What `SystemCallFilter` lets through; the first line makes it a list of what is allowed, or it is refused here."""
    calls: set[str] = set(members("@default"))
    for line in lines:
        names = {name for word in line.lstrip("~").split() for name in members(word)}
        calls = calls - names if line.startswith("~") else calls | names
    return calls


def members(word: str) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
        return
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", word], capture_output=True, text=True, check=True
    )
    for line in told.stdout.splitlines()[1:]:
        name = line.strip()
        if name and not name.startswith("#"):
            yield from members(name)


def take_away(unit: Path) -> None:
    has = {key: values[-1] for key, values in settings(unit).items()}
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    calls = allowed(settings(unit)["SystemCallFilter"])
    os.umask(int(has["UMask"], 8))
    for key, number in (("LimitNOFILE", resource.RLIMIT_NOFILE), ("LimitCORE", resource.RLIMIT_CORE)):
        if key in has:
            resource.setrlimit(number, (int(has[key]), int(has[key])))
    filters = []
    if has.get("MemoryDenyWriteExecute") == "yes":
        filters.append(_no_writable_code(library))
    if "RestrictAddressFamilies" in has:
        filters.append(_families(library, has["RestrictAddressFamilies"].split()))
    if "RestrictNamespaces" in has:
        filters.append(_namespaces(library, has["RestrictNamespaces"].split()))
    last = Filter(library, EPERM)
    for name in sorted(calls):
        last.rule(KILL_NOT, name)
    for one in (*filters, last):
        one.load()


def _no_writable_code(library: ctypes.CDLL) -> Filter:
    made = Filter(library, KILL_NOT)
    both = PROT_WRITE | PROT_EXEC
    made.rule(EPERM, "mmap", Compare(2, MASKED, both, both))
    for name in ("mprotect", "pkey_mprotect"):
        made.rule(EPERM, name, Compare(2, MASKED, PROT_EXEC, PROT_EXEC))
    return made


def _families(library: ctypes.CDLL, names: Sequence[str]) -> Filter:
    made = Filter(library, KILL_NOT)
    kept = {int(getattr(socket, name)) for name in names}
    for number in set(range(FAMILIES_MAX)) - kept:
        made.rule(EPERM, "socket", Compare(0, EQUAL, number))
    return made


def _namespaces(library: ctypes.CDLL, words: Sequence[str]) -> Filter:
    """`yes`: none at all, else the names of those that may be made."""
    made = Filter(library, KILL_NOT)
    made.rule(ENOSYS, "clone3")  # its flags cannot be seen
    for name, flag in NAMESPACES.items():
        if name not in words:
            for call in ("clone", "unshare"):
                made.rule(EPERM, call, Compare(0, MASKED, flag, flag))
    made.rule(EPERM, "setns")
    return made


if __name__ == "__main__":
    take_away(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 -- the program that is to be tried
