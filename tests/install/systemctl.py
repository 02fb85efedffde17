"""Stands in for systemd in a box where it is not the first process: starts a service as its unit says, keeps it, ends it.

Enabling is left to the real systemctl. Of the unit it follows user, command, environment, folders, credentials and
notification; the hardening needs the real one. Runs on the box's own Python.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

RUN, SYSTEM = Path("/run"), Path("/etc/systemd/system")
STORE = Path("/etc/credstore")
REAL = "/usr/bin/systemctl"
STOP_MAX_S, LOOK_S = 30, 0.05


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    verb, units = words[0], [unit for unit in words[1:] if unit.endswith(".service")]
    if verb == "is-active":
        unit = words[1] if words[1].endswith(".service") else f"{words[1]}.service"
        return 0 if state(unit) == "active" else 3
    if verb in ("start", "stop", "restart"):
        for unit in units:
            if verb != "start":
                stop(unit)
            if verb != "stop" and state(unit) == "inactive":
                keep(unit)
        return 0
    if verb == "daemon-reload":  # it reads the unit when it starts it
        return 0
    return subprocess.run([REAL, *sys.argv[1:]], check=False).returncode


def state(unit: str) -> str:
    file = RUN / f"{unit}.state"
    return file.read_text() if file.exists() else "inactive"


def stop(unit: str) -> None:
    keeper = RUN / f"{unit}.keeper"
    if not keeper.exists():
        return
    os.kill(int(keeper.read_text()), signal.SIGTERM)
    ends = time.monotonic() + STOP_MAX_S
    while keeper.exists():
        if time.monotonic() > ends:
            sys.exit(f"{unit} does not end")
        time.sleep(LOOK_S)


def keep(unit: str) -> None:
    """In a process of its own, which nobody waits for."""
    if os.fork():
        return
    os.setsid()
    silence = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    os.closerange(3, 100)
    (RUN / f"{unit}.state").write_text("activating")
    (RUN / f"{unit}.keeper").write_text(str(os.getpid()))
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        if process is not None:
            process.terminate()

    process: subprocess.Popen[bytes] | None = None
    signal.signal(signal.SIGTERM, end)
    with (RUN / f"{unit}.log").open("ab") as log:
        while not ended:
            process, hears = started(unit, log)
            while process.poll() is None:
                try:
                    if b"READY=1" in hears.recv(4096).split(b"\n"):
                        (RUN / f"{unit}.state").write_text("active")
                except TimeoutError:
                    pass
            (RUN / f"{unit}.state").write_text("activating")
            time.sleep(0 if ended else 1)
    (RUN / f"{unit}.state").unlink()
    (RUN / f"{unit}.keeper").unlink()
    os._exit(0)


def started(unit: str, log) -> tuple[subprocess.Popen[bytes], socket.socket]:
    text = (SYSTEM / unit).read_text().splitlines()
    lines = [line.partition("=")[::2] for line in text if "=" in line and not line.startswith("#")]
    said = dict(lines)
    data = Path("/var/lib") / said["StateDirectory"]
    credentials = RUN / "credentials" / unit
    credentials.mkdir(parents=True, exist_ok=True)
    credentials.chmod(0o755)
    for name, _, source in (value.partition(":") for key, value in lines if key == "LoadCredential"):
        if (STORE / source).is_file():
            (credentials / name).write_bytes((STORE / source).read_bytes())
            os.chown(credentials / name, data.stat().st_uid, -1)
            (credentials / name).chmod(0o400)
    address = RUN / f"{unit}.notify"
    address.unlink(missing_ok=True)
    hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    hears.bind(str(address))
    hears.settimeout(0.2)
    address.chmod(0o666)
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8", "USER": said["User"]}
    environment |= dict(word.split("=", 1) for key, value in lines if key == "Environment" for word in value.split())
    environment |= {"NOTIFY_SOCKET": str(address), "CREDENTIALS_DIRECTORY": str(credentials)}
    process = subprocess.Popen(
        said["ExecStart"].split(),
        user=said["User"],
        group=said["Group"],
        extra_groups=[],
        cwd=said["WorkingDirectory"],
        env=environment,
        umask=int(said["UMask"], 8),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    return process, hears


sys.exit(main())
