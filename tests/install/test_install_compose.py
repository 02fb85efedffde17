"""What compose brings together, without an engine: the broker that its script sets up, and the image's program on a root that
cannot be written in, as a user that owns nothing.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from booted import can_boot, program
from program import Program
from tcp import free_port

DOCKER = Path(__file__).parents[2] / "docker"
MOSQUITTO = DOCKER.parent / ".cache" / "mosquitto"
COMPOSE = yaml.safe_load((DOCKER / "compose.yml").read_text())["services"]
WAIT_MAX_S = 60
READ_ONLY = """
set -e
mount --make-rprivate /
mkdir -p "$1/data" "$1/opt"
chown 10001:10001 "$1/data"
mount --bind "$1/opt" /opt
%(binds)s
mount --bind "$1/data" /var/lib/%(data)s
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -o remount,ro,bind /
exec setpriv --reuid 10001 --regid 10001 --clear-groups --bounding-set=-all --no-new-privs sh /opt/run/eryxon-gateway run
"""


def until(fact, what: str) -> None:
    ends_s = time.monotonic() + WAIT_MAX_S
    while not fact():
        assert time.monotonic() < ends_s, f"waited in vain for {what}"
        time.sleep(0.1)


# ------------------------------------------------------------------ the broker beside it


def set_up(folder: Path) -> Path:
    """What broker-setup.sh makes, in folders of this test; the port and the folders are ours."""
    for name in ("config", "data", "extra"):
        (folder / "mosquitto" / name).mkdir(parents=True, exist_ok=True)
    script = (DOCKER / "broker-setup.sh").read_text().replace("=/mosquitto/", f"={folder}/mosquitto/")
    script = script.replace(" /mosquitto/data/", f" {folder}/mosquitto/data/")
    subprocess.run(["sh", "-c", script], check=True, capture_output=True, timeout=WAIT_MAX_S)
    return folder / "mosquitto" / "config"


@pytest.fixture
def broker(tmp_path) -> Iterator[tuple[Path, int]]:
    """Its folder and port."""
    (tmp_path / "mosquitto" / "extra").mkdir(parents=True)
    (tmp_path / "mosquitto" / "extra" / "acl").write_text("user laser-1\ntopic read a/b/#\n")
    config, port = set_up(tmp_path), free_port()
    file = config / "mosquitto.conf"
    file.write_text(f"user root\n{file.read_text()}".replace("listener 1883", f"listener {port} 127.0.0.1"))
    with (
        (tmp_path / "broker.log").open("w") as log,
        subprocess.Popen(["mosquitto", "-c", file], stdout=log, stderr=log) as run,
    ):
        try:
            yield config, port
        finally:
            run.terminate()


def test_the_gateway_works_with_the_broker_that_compose_sets_up(tmp_path, broker):
    config, port = broker
    program = Program.at(tmp_path)
    program.configure()
    given = COMPOSE["gateway"]["environment"]
    program.environment |= {name: text for name, text in given.items() if name.startswith("GATEWAY_BROKER__")}
    program.environment |= {"GATEWAY_BROKER__HOST": "127.0.0.1", "GATEWAY_BROKER__PORT": str(port)}
    program.environment["CREDENTIALS_DIRECTORY"] = str(config / Path(given["CREDENTIALS_DIRECTORY"]).name)
    with program.serving():
        key = program.key()

        def links() -> dict:
            return json.loads(program.get("/healthz", key)[1])["links"]

        until(lambda: {links()[name]["state"] for name in ("broker", "uns")} == {"up"}, "the broker")
    heard = ["mosquitto_sub", "-p", str(port), "-t", "#", "-C", "1", "-W", "5"]
    stranger = subprocess.run(heard, capture_output=True, text=True, check=False)
    assert stranger.returncode != 0
    assert "not authorised" in (stranger.stdout + stranger.stderr).lower()


def test_what_was_set_up_stays_and_is_nobodys_to_read(tmp_path, broker):
    config, _ = broker
    secret = config / "gateway" / "broker.password"
    before = secret.read_text()
    assert len(before) > 30
    assert before not in "".join(file.read_text() for file in config.iterdir() if file.is_file())  # only its hash
    set_up(tmp_path)
    assert secret.read_text() == before
    assert secret.stat().st_mode & 0o777 == 0o444
    for name in ("passwd", "acl"):
        assert (config / name).stat().st_mode & 0o077 == 0
    acl = (config / "acl").read_text()
    assert acl.startswith("user gateway\ntopic readwrite #\ntopic read $SYS/#\n")
    assert "user laser-1\ntopic read a/b/#\n" in acl


def test_its_script_and_its_folders_are_those_of_the_compose_file():
    setup, mosquitto, gateway = (COMPOSE[name] for name in ("broker-setup", "mosquitto", "gateway"))
    script = (DOCKER / "broker-setup.sh").read_text()
    assert "./broker-setup.sh:/broker-setup.sh:ro" in setup["volumes"]
    assert setup["entrypoint"][-1] == "/broker-setup.sh"
    for name in re.findall(r"^\w+=(/mosquitto/\w+)$", script, re.MULTILINE):
        assert any(volume.split(":")[1] == name for volume in setup["volumes"]), name
    assert "broker-config:/mosquitto/config:ro" in mosquitto["volumes"]
    assert "broker-data:/mosquitto/data" in mosquitto["volumes"]
    assert "persistence_location /mosquitto/data/" in script
    mounted = next(volume.split(":")[1] for volume in gateway["volumes"] if volume.startswith("broker-config:"))
    assert gateway["environment"]["CREDENTIALS_DIRECTORY"] == f"{mounted}/gateway"


# ------------------------------------------------------------------ the image's root

if can_boot():

    def test_it_serves_from_a_root_that_cannot_be_written_in_as_a_user_without_rights(tmp_path, site):
        folders, command = program(site)
        port = free_port()
        (tmp_path / "opt" / "run").mkdir(parents=True)
        text = command.replace("PYTHONPYCACHEPREFIX", "HOME=/ PYTHONPYCACHEPREFIX")
        (tmp_path / "opt" / "run" / "eryxon-gateway").write_text(text)
        if MOSQUITTO.is_dir():  # else this machine has one
            folders["mosquitto"] = MOSQUITTO
            libraries = "LD_LIBRARY_PATH=$(echo /opt/mosquitto/usr/lib/*-linux-gnu)"
            launcher = tmp_path / "opt" / "run" / "mosquitto"
            launcher.write_text(f'#!/bin/sh\n{libraries} exec /opt/mosquitto/usr/sbin/mosquitto "$@"\n')
            launcher.chmod(0o755)
        for name in folders:
            (tmp_path / "opt" / name).mkdir()
        tmp_path.chmod(0o755)
        binds = "\n".join(f'mount --bind "{folder}" "/opt/{name}"' for name, folder in folders.items())
        own = Path("/var/lib/misc")  # stands for the volume: every Debian has this folder
        script = READ_ONLY % {"binds": binds, "data": own.name}
        given = {
            "PATH": "/opt/run:/usr/sbin:/usr/bin:/sbin:/bin",
            "GATEWAY_GATEWAY__DATA_DIR": str(own),
            "GATEWAY_HTTP__PORT": str(port),
            "GATEWAY_BROKER__PORT": str(free_port()),
        }
        here = Program.at(tmp_path)
        here.port = port
        with (tmp_path / "log").open("w") as log:
            command = [
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                script,
                "sh",
                tmp_path,
            ]
            run = subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=log, cwd="/")
            try:
                line = run.stdout.readline()
                assert line.startswith(b"ready: "), (tmp_path / "log").read_text()
                assert here.get("/readyz") == (200, "ready")
                key = (tmp_path / "data" / "first-admin-key").read_text().strip()

                def broker() -> str:
                    return json.loads(here.get("/healthz", key)[1])["links"]["broker"]["state"]

                until(lambda: broker() == "up", "its own Mosquitto")
                child = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()[0])
                status = Path(f"/proc/{child}/status").read_text()
                assert re.search(r"^Uid:\t10001\t10001", status, re.MULTILINE)
                assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
                os.kill(child, signal.SIGTERM)
                assert run.wait(WAIT_MAX_S) == 0
            finally:
                run.kill()
                run.wait()
                run.stdout.close()
