"""A disk that fails, without a compiler: the calls that SQLite makes into the C library are led through Python.

Every shared object keeps the addresses of the functions that it calls in a table which the loader fills in (ELF
relocations). Here the entries of `fdatasync` and `pwrite` are pointed at a function of ours, in this process only.
"""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SYNCS = (b"fdatasync", b"fsync")
_WRITES = (b"pwrite64", b"pwrite")
_POINTERS = {"x86_64": {1, 6, 7}, "aarch64": {257, 1025, 1026}}  # relocations that hold a function's address
_PT_DYNAMIC = 2
_STRINGS, _SYMBOLS, _RELOCATIONS, _RELOCATIONS_SIZE, _CALLS, _CALLS_SIZE = 5, 6, 7, 8, 23, 2
_SYMBOL_SIZE = 24
_READ_WRITE = 3

# By its name: asked of the program itself, a Python at a fixed address (Debian's) gives its table entry, which leads to us.
_libc = ctypes.CDLL("libc.so.6", use_errno=True)
_libc.pwrite.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64)
_libc.pwrite.restype = ctypes.c_ssize_t
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, use_errno=True)
_Write = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, use_errno=True
)


class _Segment(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("offset", "address", "physical", "in_file", "in_memory", "align")),
    )


class _Object(ctypes.Structure):
    _fields_ = (
        ("base", ctypes.c_uint64),
        ("name", ctypes.c_char_p),
        ("segments", ctypes.POINTER(_Segment)),
        ("count", ctypes.c_uint16),
    )


class _Relocation(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("info", ctypes.c_uint64), ("addend", ctypes.c_int64))


_Visit = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Object), ctypes.c_size_t, ctypes.c_void_p)


class Disk:
    """What happens to the files of one folder. `fails(n)`: shall the n-th sync fail; `full()`: is there no room, with `code`."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.syncs = 0
        self.refused = 0
        self.fails: Callable[[int], bool] = lambda _number: False
        self.full: Callable[[], bool] = lambda: False
        self.code = errno.ENOSPC
        self.at_sync: Callable[[], None] = lambda: None

    def _mine(self, descriptor: int) -> bool:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith(self.folder)

    def sync(self, descriptor: int) -> int:
        if self._mine(descriptor):
            self.syncs += 1
            self.at_sync()
            if self.fails(self.syncs):
                self.refused += 1
                ctypes.set_errno(errno.EIO)
                return -1
        return int(_libc.fdatasync(descriptor))

    def write(self, descriptor: int, data: int, size: int, offset: int) -> int:
        if self._mine(descriptor) and offset + size > os.fstat(descriptor).st_size and self.full():
            self.refused += 1
            ctypes.set_errno(self.code)
            return -1
        return int(_libc.pwrite(descriptor, data, size, offset))


@contextmanager
def faults(folder: Path) -> Iterator[Disk]:
    """Calls of SQLite on files in `folder` go through the `Disk`."""
    disk = Disk(folder)
    sync, write = _Sync(disk.sync), _Write(disk.write)
    places = [(slot, sync) for slot in _slots(_SYNCS)] + [(slot, write) for slot in _slots(_WRITES)]
    assert places, "SQLite calls neither fdatasync nor pwrite through the loader's table"
    before = [_put(slot, ctypes.cast(function, ctypes.c_void_p).value or 0) for slot, function in places]
    try:
        yield disk
    finally:
        for (slot, _), old in zip(places, before, strict=True):
            _put(slot, old)


def _put(slot: int, address: int) -> int:
    """Returns what stood there."""
    page = os.sysconf("SC_PAGESIZE")
    _libc.mprotect(ctypes.c_void_p(slot // page * page), ctypes.c_size_t(page), _READ_WRITE)
    place = ctypes.c_uint64.from_address(slot)
    old, place.value = place.value, address
    return old


def _slots(names: tuple[bytes, ...]) -> list[int]:
    """Where the objects that contain SQLite keep the addresses of these functions."""
    found: list[int] = []

    def visit(of: "ctypes._Pointer[_Object]", _size: int, _data: int) -> int:
        one = of.contents
        if b"sqlite" in (one.name or b"") or b"python" in (one.name or b"python"):
            dynamic = [one.segments[i] for i in range(one.count) if one.segments[i].kind == _PT_DYNAMIC]
            found.extend(slot for segment in dynamic for slot in _in_object(one.base, segment, names))
        return 0

    _libc.dl_iterate_phdr(_Visit(visit), None)
    return found


def _in_object(base: int, dynamic: _Segment, names: tuple[bytes, ...]) -> Iterator[int]:
    pairs = (ctypes.c_uint64 * (dynamic.in_memory // 8)).from_address(base + dynamic.address)
    told: dict[int, int] = {}
    for tag, value in zip(pairs[::2], pairs[1::2], strict=True):
        told.setdefault(tag, value)

    def at(tag: int) -> int:
        return told[tag] if told[tag] >= base else told[tag] + base

    for table, size in ((_RELOCATIONS, _RELOCATIONS_SIZE), (_CALLS, _CALLS_SIZE)):
        if table not in told:
            continue
        count = told[size] // ctypes.sizeof(_Relocation)
        for entry in (_Relocation * count).from_address(at(table)):
            if entry.info & 0xFFFFFFFF not in _POINTERS[os.uname().machine]:
                continue
            name = ctypes.c_uint32.from_address(at(_SYMBOLS) + (entry.info >> 32) * _SYMBOL_SIZE).value
            if ctypes.string_at(at(_STRINGS) + name) in names:
                yield base + entry.offset
