"""The programs of the units, run under what their units take away: what is missing to them is seen here, not in a hall."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from program import Program

ROOT = Path(__file__).parents[2]
BOX = Path(__file__).with_name("unit_box.py")
SERVICE, BACKUP = (ROOT / "systemd" / f"eryxon-gateway{name}.service" for name in ("", "-backup"))
WAIT_MAX_S = 30
TRIES = """
import ctypes, errno, mmap, os, socket, sys
def no(what):
    try:
        what()
    except OSError as exc:
        return errno.errorcode[exc.errno]
    return "allowed"
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
print(no(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)), no(lambda: call("unshare", 0x10000000)),
      no(lambda: mmap.mmap(-1, 4096, prot=7)), no(lambda: os.chroot("/")), no(lambda: call("reboot", 0)),
      no(lambda: socket.socket()), oct(os.umask(0)))
"""


def ran(*command, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


if shutil.which("systemd-analyze"):  # it knows which system call belongs to which group

    def test_the_box_takes_away_what_the_unit_says():
        told = ran(sys.executable, BOX, SERVICE, sys.executable, "-c", TRIES)
        assert told.stdout.split() == ["EPERM"] * 5 + ["allowed", "0o77"], told.stderr

    @pytest.fixture
    def program(tmp_path) -> Program:
        program = Program.at(tmp_path)
        program.python = (str(BOX), str(SERVICE), sys.executable, "-m", "gateway")
        program.configure(
            f'[broker]\nmode = "managed"\nport = {program.free_port()}\n'
            f'[http]\nport = {program.port}\ntls_host = "127.0.0.1"\ntls_port = {program.free_port()}\n'
            f"[plugins.mcp_server]\nenabled = true\n[plugins.opcua_mirror]\nenabled = true\nport = {program.free_port()}\n"
        )
        return program

    def test_the_gateway_lives_with_what_its_unit_leaves_it(program):
        """With broker, TLS, plugins and threads; nothing of the kernel's refusals reaches its log."""
        program.ok("tls", "init")
        with program.serving() as process:
            key = program.key()
            ends_s = time.monotonic() + WAIT_MAX_S
            while True:
                links = json.loads(program.get("/healthz", key)[1])["links"]
                waits = [
                    name
                    for name in ("broker", "uns", "plugin:opcua_mirror")
                    if links.get(name, {}).get("state") != "up"
                ]
                if not waits:
                    break
                assert time.monotonic() < ends_s, [links.get(name) for name in waits]
                time.sleep(0.1)
            assert program.get("/api-cells", key)[0] == 200
            assert program.get("/readyz") == (200, "ready")
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "NoNewPrivs:\t1" in status
            backup = [sys.executable, BOX, BACKUP, sys.executable, "-m", "gateway", "backup", "create", "--json"]
            made = ran(*backup, "--config", program.config, env=program.environment)
            assert made.returncode == 0, made.stderr
            assert Path(json.loads(made.stdout)["file"]).is_file()
            threads = int(next(line for line in status.splitlines() if line.startswith("Threads:")).split()[1])
            assert threads < 100
        log = (program.folder / "log").read_text()
        assert "Operation not permitted" not in log
        assert "PermissionError" not in log
