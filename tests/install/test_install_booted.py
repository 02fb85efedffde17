"""The units under a real systemd: ready, credentials, watchdog, crash loop, and what the hardening really leaves."""

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from booted import USERS, Machine, booted, can_boot, program
from tcp import free_port

UNITS = Path(__file__).parents[2] / "systemd"
GATEWAY, BACKUP = "eryxon-gateway.service", "eryxon-gateway-backup.service"
QUICK = "[Service]\nRestartSec=200ms\nWatchdogSec=6s\nStandardError=append:/var/lib/log\nStandardOutput=append:/var/lib/log\n"
CREDENTIAL = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nUser=eryxon-gateway\nLoadCredential=box-key:{}\n"
LOOK = "ExecStart=/bin/sh -c 'cat $$CREDENTIALS_DIRECTORY/box-key || [ -d $$CREDENTIALS_DIRECTORY ]'\n"

if can_boot():

    def test_a_credential_that_is_missing_is_missed_by_name_and_fatal_by_path(tmp_path):
        """What systemd 252 does; the units build on it."""
        units = {
            "named.service": CREDENTIAL.format("eryxon-gateway.box-key") + LOOK,
            "path.service": CREDENTIAL.format("/etc/credstore/eryxon-gateway.box-key") + LOOK,
        }
        with booted(tmp_path / "box", units, {}) as machine:
            assert machine.systemctl("start", "named.service").returncode == 0
            assert machine.systemctl("start", "path.service").returncode != 0
            assert machine.shows("path.service", "ExecMainStatus") == "243"  # CREDENTIALS

    @pytest.fixture
    def port() -> int:
        return free_port()

    @pytest.fixture
    def box(tmp_path, site, port) -> Iterator[Machine]:
        """With the gateway's units, its configuration and its box key; nothing is started."""
        root = tmp_path / "box"
        folders, command = program(site)
        units = {name: (UNITS / name).read_text() for name in (GATEWAY, BACKUP)}
        units |= {f"{name}.d/quick.conf": QUICK for name in (GATEWAY, BACKUP)}
        where = re.search(r"^ExecStart=(\S+)", units[GATEWAY], re.MULTILINE)[1]
        with booted(root, units, folders) as machine:
            file = root / where.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(command)
            file.chmod(0o755)
            write(machine, configuration(port))
            store = root / "run" / "credstore"  # as /etc/credstore
            store.mkdir(mode=0o700)
            (store / "eryxon-gateway.box-key").write_bytes(b"k" * 64)
            yield machine

    def test_the_gateway_is_ready_watched_and_gets_up_again(box, port):
        assert box.systemctl("start", GATEWAY).returncode == 0, log(box)
        assert asked(port, "/readyz") == (200, "ready")
        first = box.shows(GATEWAY, "MainPID")
        inside = ["nsenter", "-t", first, "-m", "cat"]
        key = box.inside(*inside, f"/run/credentials/{GATEWAY}/box-key")
        assert key.stdout == "k" * 64
        status = box.inside("cat", f"/proc/{first}/status").stdout
        assert f"Uid:\t{USERS['eryxon-gateway']}" in status
        assert re.search(r"CapBnd:\t0+\n", status)
        assert "Seccomp:\t2" in status
        made = box.systemctl("start", BACKUP)
        assert made.returncode == 0, log(box)
        assert list((box.root / "var/lib/eryxon-gateway/backups").iterdir())
        # Frozen: systemd hears nothing more, ends it and starts another.
        os.kill(host_pid(box, first), signal.SIGSTOP)
        box.until(lambda: box.shows(GATEWAY, "NRestarts") == "1", "the watchdog")
        box.until(lambda: asked(port, "/readyz") == (200, "ready"), "another one")
        assert box.shows(GATEWAY, "MainPID") != first
        assert box.systemctl("stop", GATEWAY).returncode == 0
        assert box.shows(GATEWAY, "Result") == "success"

    def test_a_broken_configuration_ends_in_a_page_and_a_good_one_in_work(box, port):
        write(box, configuration(port) + '[cloud]\nkind = "rain"\n')
        box.systemctl("start", "--no-block", GATEWAY)
        box.until(lambda: "cloud.kind" in asked(port, "/terminal/")[1], "the page")
        assert asked(port, "/livez") == (200, "live")
        assert int(box.shows(GATEWAY, "NRestarts")) >= 4
        assert box.shows(GATEWAY, "ActiveState") == "active"
        assert "cloud.kind" in box.shows(GATEWAY, "StatusText")
        write(box, configuration(port))
        box.until(lambda: asked(port, "/readyz") == (200, "ready"), "the gateway")
        assert box.systemctl("stop", GATEWAY).returncode == 0


def configuration(port: int) -> str:
    return (
        '[gateway]\nid = "gw-box"\ndata_dir = "/var/lib/eryxon-gateway"\n'
        f'[http]\nport = {port}\n[broker]\nmode = "managed"\nport = {free_port()}\n'
    )


def write(machine: Machine, text: str) -> None:
    owner = USERS["eryxon-gateway"]
    script = (
        'd=/etc/eryxon-gateway; mkdir -p -m 0700 $d; printf %s "$1" >$d/gateway.toml; chown -R "$2" $d; chmod 600 $d/*'
    )
    done = machine.inside("sh", "-c", script, "sh", text, f"{owner}:{owner}")
    assert done.returncode == 0, done.stderr


def asked(port: int, path: str) -> tuple[int, str]:
    """(0, why) while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError as exc:
        return 0, str(exc)
    finally:
        connection.close()


def host_pid(machine: Machine, inner: str) -> int:
    """The process that the machine calls so, as we call it."""
    for file in Path("/proc").glob("[0-9]*/status"):
        try:
            found = re.search(r"^NSpid:\t(\d+)\t(\d+)$", file.read_text(), re.MULTILINE)
        except OSError:
            continue
        if found and found[2] == inner and _same_namespace(machine.pid, int(found[1])):
            return int(found[1])
    raise AssertionError(inner)


def _same_namespace(one: int, other: int) -> bool:
    return Path(f"/proc/{one}/ns/pid").readlink() == Path(f"/proc/{other}/ns/pid").readlink()


def log(machine: Machine) -> str:
    file = machine.root / "var" / "lib" / "log"
    told = machine.systemctl("status", GATEWAY, BACKUP).stdout
    return told + (file.read_text() if file.exists() else "") + json.dumps(str(machine.root))
