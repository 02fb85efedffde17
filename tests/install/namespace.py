"""A network of its own for a program: loopback and one address of a LAN, and nobody else in it."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from namespaces import needed

LOOPBACK, LAN, EVERYWHERE = "127.0.0.1", "192.0.2.10", "0.0.0.0"  # noqa: S104 -- looked for, not bound to
UP = f"""ip link set lo up
ip link add lan0 type veth peer name lan1
ip addr add {LAN}/24 dev lan0
ip link set lan0 up
ip link set lan1 up
echo up
exec cat"""
LISTENS, BOUND = 0x0A, 0x07  # states in /proc/net
SCAN = """
import socket, sys
for port in range(1, 65536):
    with socket.socket() as asking:
        if asking.connect_ex((sys.argv[1], port)) == 0 and asking.getsockname() != asking.getpeername():
            print(port)
"""


@dataclass(frozen=True)
class Network:
    pid: int  # of a process in it
    within: tuple[str, ...]  # what starts another one there

    def scanned(self, address: str) -> set[int]:
        """All TCP ports at which somebody answers; a connection to itself (the kernel allows it) is nobody."""
        run = [*self.within, sys.executable, "-c", SCAN, address]
        return {int(line) for line in subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()}

    def bound(self) -> set[tuple[str, str, int]]:
        """("tcp", "127.0.0.1", 8080): all sockets that wait for somebody, as the kernel has them."""
        return {
            (kind.removesuffix("6"), *place)
            for kind, state in (("tcp", LISTENS), ("tcp6", LISTENS), ("udp", BOUND), ("udp6", BOUND))
            for place in self._of(kind, state)
        }

    def _of(self, kind: str, state: int) -> Iterator[tuple[str, int]]:
        for line in Path(f"/proc/{self.pid}/net/{kind}").read_text().splitlines()[1:]:
            _, local, _, found, *_ = line.split()
            address, port = local.split(":")
            if int(found, 16) == state:
                words = struct.unpack(f">{len(address) // 8}I", bytes.fromhex(address))
                packed = struct.pack(f"={len(words)}I", *words)
                yield socket.inet_ntop(socket.AF_INET6 if len(words) > 1 else socket.AF_INET, packed), int(port, 16)


@contextlib.contextmanager
def alone() -> Iterator[Network]:
    """Root makes one; others too where the kernel lets them."""
    needed("--net")
    ways = ((), ("--map-root-user",)) if os.geteuid() == 0 else (("--map-root-user",),)
    for way in ways:
        command = [shutil.which("unshare") or "unshare", "--net", *way, "sh", "-e", "-c", UP]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            try:
                if holder.stdout.readline() == "up\n":
                    user = ("--user", "--preserve-credentials") if way else ()
                    yield Network(holder.pid, ("nsenter", "--net", *user, "--target", str(holder.pid)))
                    return
            finally:
                holder.stdin.close()  # its `cat` ends, and with it the network
    raise AssertionError("the network of its own did not come up")
