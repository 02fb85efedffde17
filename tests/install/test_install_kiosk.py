"""The station screen: its unit under a real systemd, with a real browser. No screen is here: a browser without a window stands for
the one with, and nothing for the compositor and for logind.
"""

import http.server
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from booted import USERS, Machine, booted, can_boot
from program import Program
from test_install_unit import parsed

from gateway.tls import HTTP, Tls

ROOT = Path(__file__).parents[2]
UNIT = "eryxon-kiosk.service"
TEXT = (ROOT / "systemd" / UNIT).read_text()
WHOLE = parsed(re.sub(r"\\\n\s*", "", TEXT))
STARTED = WHOLE["Service"]["ExecStart"][0]
GUIDE = (ROOT / "docs" / "kiosk.md").read_text()
BROWSER, NSS = ROOT / ".cache" / "chromium", ROOT / ".cache" / "trust"
ANALYZE = shutil.which("systemd-analyze")
# No terminal, no logind, and no compositor: what remains is the unit.
HERE = """[Unit]
Wants=
After=
[Service]
PAMName=
StandardInput=null
StandardOutput=append:/var/lib/log
StandardError=append:/var/lib/log
TTYPath=
TTYReset=no
TTYVHangup=no
TTYVTDisallocate=no
UtmpIdentifier=
RestartSec=200ms
"""
CAGE = '#!/bin/sh\n[ "$1 $2" = "-d --" ] || exit 9\nshift 2\nexec "$@"\n'


def block(language: str, first: str) -> str:
    """A block of code of the guide."""
    return re.search(rf"```{language}\n({re.escape(first)}.*?)```", GUIDE, re.DOTALL)[1]


# ------------------------------------------------------------------ the unit


def test_it_shows_one_page_for_ever():
    assert WHOLE["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert WHOLE["Service"]["Restart"] == ["always"]
    assert WHOLE["Service"]["User"] == ["eryxon-kiosk"]
    assert "KIOSK_URL=http://127.0.0.1:8080/terminal/" in " ".join(WHOLE["Service"]["Environment"])
    assert STARTED.endswith('"$$KIOSK_URL"\'')
    for flag in (
        "--kiosk",
        "--hide-crash-restore-bubble",
        "--noerrdialogs",
        "--no-first-run",
        "--password-store=basic",
    ):
        assert f" {flag} " in STARTED


def test_it_never_looks_away_from_a_certificate():
    assert "--ignore-certificate-errors" not in STARTED
    assert "--allow-insecure" not in STARTED


if ANALYZE:

    def ran(*command) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_systemd_itself_has_nothing_to_complain_about(tmp_path):
        rated = ran(ANALYZE, "security", "--offline=yes", "--threshold=15", "--no-pager", ROOT / "systemd" / UNIT)
        assert rated.returncode == 0, rated.stdout
        told = ran(ANALYZE, "verify", "--man=no", ROOT / "systemd" / UNIT).stderr.splitlines()
        assert [line for line in told if UNIT in line] == []


# ------------------------------------------------------------------ the unit at work


class Page(http.server.BaseHTTPRequestHandler):
    """What the browser asks for is written down."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>station</title>")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def gateway(folder: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A server with a certificate of the gateway's own CA: its address, the CA, the paths that were asked for."""
    program = Program.at(folder)
    program.configure()
    program.ok("tls", "init")
    tls = Tls(program.data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = tls.pair(HTTP)
    context.load_cert_chain(pair.certificate, pair.key)
    asked: list[str] = []
    handler = type("Here", (Page,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}/terminal/", tls.ca.certificate, asked
        finally:
            server.shutdown()
            serving.join()


def put(machine: Machine, path: str, text: str, mode: int = 0o644) -> None:
    file = machine.root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def log(machine: Machine) -> str:
    file = machine.root / "var" / "lib" / "log"
    return machine.systemctl("status", UNIT).stdout + (file.read_text() if file.exists() else "")


if can_boot() and BROWSER.is_dir():
    FOLDERS = [
        *(BROWSER / "usr" / "lib").glob("*-linux-gnu*"),
        *(BROWSER / "usr" / "lib").glob("*-linux-gnu*/pulseaudio"),
    ]
    LIBRARIES = ":".join(f"/opt/browser/{one.relative_to(BROWSER)}" for one in FOLDERS)
    CHROMIUM = (
        f"#!/bin/sh\nexport LD_LIBRARY_PATH={LIBRARIES}\n"
        'exec /opt/browser/usr/lib/chromium/chromium-headless-shell --disable-gpu --remote-debugging-port=0 "$@"\n'
    )

    @pytest.mark.parametrize("sandbox", ["the unit", "Chromium's own"])
    def test_the_browser_trusts_the_ca_and_comes_again_whatever_ends_it(tmp_path, sandbox):
        more = block("ini", "[Service]\nEnvironment=KIOSK_SANDBOX=\n") if sandbox != "the unit" else ""
        units = {UNIT: TEXT, f"{UNIT}.d/here.conf": HERE, f"{UNIT}.d/sandbox.conf": more}
        tools = {"browser": BROWSER, **({"nss": NSS} if NSS.is_dir() else {})}
        nss = '#!/bin/sh\nLD_LIBRARY_PATH=$(echo /opt/nss/usr/lib/*-linux-gnu) exec /opt/nss/usr/bin/certutil "$@"\n'
        with gateway(tmp_path) as (url, ca, asked), booted(tmp_path / "box", units, tools) as machine:
            stands_for = {"cage": CAGE, "chromium": CHROMIUM, **({"certutil": nss} if NSS.is_dir() else {})}
            for name, text in stands_for.items():
                put(machine, f"/usr/local/bin/{name}", text, 0o755)
            written = 'mkdir -p /etc/eryxon-kiosk && cat >/etc/eryxon-kiosk/ca.crt && echo "KIOSK_URL=$1" >/etc/eryxon-kiosk.env'
            machine.inside("sh", "-c", written, "sh", url, given=ca.read_text())
            assert machine.systemctl("start", UNIT).returncode == 0, log(machine)
            machine.until(lambda: "/terminal/" in asked, "the browser", log)
            assert (
                "credentials_enable_service"
                in machine.inside("cat", "/var/lib/eryxon-kiosk/profile/Default/Preferences").stdout
            )
            main = machine.shows(UNIT, "MainPID")
            status = machine.inside("cat", f"/proc/{main}/status").stdout
            assert f"Uid:\t{USERS['eryxon-kiosk']}" in status
            assert re.search(r"CapBnd:\t0+\n", status)
            pages = machine.inside("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
            assert ("--no-sandbox" in pages) == (sandbox == "the unit")
            machine.inside("kill", "-KILL", main)
            machine.until(lambda: asked.count("/terminal/") > 1, "the next browser", log)
            assert machine.systemctl("stop", UNIT).returncode == 0

    def test_a_ca_that_nobody_brought_is_not_trusted(tmp_path):
        units = {UNIT: TEXT, f"{UNIT}.d/here.conf": HERE}
        with gateway(tmp_path) as (url, _, asked), booted(tmp_path / "box", units, {"browser": BROWSER}) as machine:
            put(machine, "/usr/local/bin/cage", CAGE, 0o755)
            put(machine, "/usr/local/bin/chromium", CHROMIUM.replace("--remote-debugging-port=0", "--dump-dom"), 0o755)
            machine.inside("sh", "-c", 'echo "KIOSK_URL=$1" >/etc/eryxon-kiosk.env', "sh", url)
            machine.systemctl("start", UNIT)
            machine.until(lambda: int(machine.shows(UNIT, "NRestarts")) >= 1, "an end", log)
            assert "net_error -202" in log(machine)  # ERR_CERT_AUTHORITY_INVALID
            assert asked == []
