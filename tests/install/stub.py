"""Small bundles for the ways of install.sh: a program of one file that notes what it is told, and does what is wished."""

import hashlib
import os
import shutil
import zipfile
from pathlib import Path

from box import ROOT, python

PROGRAM = """
import http.server, json, os, pathlib, signal, socket, sys
WISH = {wish}
DATA = pathlib.Path("/var/lib/eryxon-gateway")
CONFIG = pathlib.Path("/etc/eryxon-gateway/gateway.toml")

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = WISH["ready"] or self.path != "/readyz"
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(json.dumps({{"version": WISH["version"], "key": key()}}).encode())
    def log_message(self, *_): pass

def key():
    file = pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"]) / "box-key"
    return file.read_bytes().hex() if file.exists() else None

def run():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Answers)
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()

def main():
    verbs = [word for word in sys.argv[1:] if not word.startswith("-") and "/" not in word]
    verb = verbs[-1] if verbs[0] in ("update", "config") else verbs[0]
    if verb == "version": print(WISH["version"])
    elif verb == "init":
        new = not (DATA / "gateway.sqlite").exists()
        CONFIG.touch(); (DATA / "gateway.sqlite").touch()
        print(json.dumps({{"key": "the first key" if new else None}}))
    elif verb == "keys": print("another key")
    elif verb == "show": print(json.dumps({{"http": {{"host": "127.0.0.1", "port": 8080}}}}))
    elif verb == "run": run()
    elif verbs[0] == "update" and WISH["knows_update"]:
        if verb == "update": return
        if verb == "status": return print('{{"update": null}}')
        assert os.getuid() != 0
        with (DATA / "calls").open("a") as calls: calls.write(WISH["version"] + " " + verb + "\\n")
        sys.exit(1 if verb in WISH["fails"] else 0)
    else: sys.exit(2)
"""

# In place of pip, which takes a second to load from its wheel: test_install_box.py has the real one.
PIP = """
import pathlib, sys, sysconfig, zipfile
house = pathlib.Path(sys.argv[sys.argv.index("--find-links") + 1])
(wheel,) = house.glob("eryxon_gateway-*.whl")
zipfile.ZipFile(wheel).extractall(sysconfig.get_path("purelib"))
command = pathlib.Path(sysconfig.get_path("scripts"), "eryxon-gateway")
command.write_text("#!" + sys.executable + "\\nimport stub; stub.main()\\n")
command.chmod(0o755)
"""


def bundle(
    folder: Path, version: str, *, fails: tuple[str, ...] = (), ready: bool = True, knows_update: bool = True
) -> Path:
    """A folder as `make bundle` makes it. `fails`: verbs of `update` that end with 1; not `ready`: /readyz says 503."""
    made = folder / f"bundle-{version}"
    house = made / "wheelhouse"
    house.mkdir(parents=True)
    wish = {"version": version, "fails": list(fails), "ready": ready, "knows_update": knows_update}
    wheel = house / f"eryxon_gateway-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("stub.py", PROGRAM.format(wish=repr(wish)))
    with zipfile.ZipFile(house / "pip-0-py3-none-any.whl", "w") as packed:
        packed.writestr("pip/__main__.py", PIP)
    (made / "requirements.txt").write_text(f"eryxon-gateway=={version} --hash=sha256:{sha256(wheel)}\n")
    units = made / "units"
    units.mkdir()
    for unit in [*(ROOT / "systemd").glob("*.service"), *(ROOT / "systemd").glob("*.timer")]:
        shutil.copy(unit, units)
    # the box waits two minutes for a slow board; a test knows the answer at once
    for script in ("install.sh", "remove.sh"):
        shutil.copy(ROOT / "systemd" / script, made)
    text = (ROOT / "systemd" / "parts.sh").read_text()
    assert "READY_WAIT_S=120" in text
    (made / "parts.sh").write_text(
        text.replace("READY_WAIT_S=120", "READY_WAIT_S=3" if not ready else "READY_WAIT_S=60")
    )
    machine = os.uname().machine
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[machine]
    (made / "BUNDLE").write_text(f"version={version}\narch={arch}\nmachine={machine}\npython={python()}\n")
    seal(made)
    return made


def seal(made: Path) -> None:
    """The list of its files, as it is last written."""
    (made / "SHA256SUMS").unlink(missing_ok=True)
    files = sorted(file for file in made.rglob("*") if file.is_file())
    (made / "SHA256SUMS").write_text("".join(f"{sha256(file)}  {file.relative_to(made)}\n" for file in files))


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
