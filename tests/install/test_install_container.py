"""The image and its compose file, as far as they can be held to the code without a container engine."""

import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from test_install_unit import parsed

from gateway import __version__
from gateway.sections import Settings, is_loopback
from gateway.settings import load

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker" / "compose.yml").read_text()
WHOLE = yaml.safe_load(COMPOSE)
DATA = "/var/lib/eryxon-gateway"
CONFIG = "/etc/eryxon-gateway/gateway.toml"
EXIT_IN_S = 10


@pytest.fixture
def image(dockerfile) -> list[tuple[str, str]]:
    """The last stage: what people run."""
    last = max(index for index, (verb, _) in enumerate(dockerfile) if verb == "FROM")
    return dockerfile[last:]


def environment(instructions) -> dict[str, str]:
    words = " ".join(rest for verb, rest in instructions if verb == "ENV").split()
    return dict(word.split("=", 1) for word in words)


def service(name: str = "gateway") -> dict:
    return WHOLE["services"][name]


def ports(of: dict) -> dict[int, str]:
    """Port inside -> address outside."""
    return {int(inside): outside for outside, _, inside in (str(port).rpartition(":") for port in of["ports"])}


# ------------------------------------------------------------------ the image


def test_what_it_is_made_of_is_pinned(dockerfile):
    bases = {words.split()[0] for verb, words in dockerfile if verb == "FROM"}
    assert bases == {"python:${PYTHON}"}
    assert dict(dockerfile)["ARG"] == "PYTHON=3.11-slim-bookworm"
    installs = [
        step for verb, words in dockerfile if verb == "RUN" for step in words.split("&&") if "pip install" in step
    ]
    assert len(installs) == 3
    assert all("--require-hashes" in step or "--no-deps --no-index" in step for step in installs)
    used = {name for step in installs for name in re.findall(r"-r (\S+)", step)}
    assert used == {"tools/lock/runtime.txt", "tools/lock/node.txt"}
    assert all((ROOT / name).is_file() for name in used)


def test_the_people_who_run_it_get_no_compiler_no_node_and_no_root(image):
    assert not [words for verb, words in image if verb == "RUN" and re.search(r"pip|node|gcc|build", words)]
    assert dict(image)["USER"] == "10001:10001"
    order = [verb for verb, _ in image]
    assert order.index("USER") < order.index("ENTRYPOINT")
    made = next(words for verb, words in image if verb == "RUN")
    assert f"install -d -o 10001 -g 10001 -m 0700 {DATA}" in made
    assert dict(image)["VOLUME"] == DATA
    assert json.loads(dict(image)["ENTRYPOINT"]) == ["eryxon-gateway"]
    assert json.loads(dict(image)["CMD"]) == ["run"]


def test_it_offers_the_ports_of_the_settings(image):
    defaults = Settings()
    offered = {int(port) for port in dict(image)["EXPOSE"].split()}
    assert offered == {defaults.http.port, defaults.http.tls_port, defaults.broker.port, defaults.broker.tls_port}


def test_its_build_sees_what_it_copies_and_little_else(copied):
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert {name.split("/")[0] for name in copied} == let_in
    kept_out = [line for line in lines[1:] if not line.startswith("!")]
    assert any(fnmatch("gateway/screens/static/vendor", line) for line in kept_out)
    assert not any(fnmatch(name, line) for name in copied for line in kept_out)


# ------------------------------------------------------------------ compose


def test_it_starts_what_this_clone_builds():
    assert service()["image"] == f"eryxon-gateway:{__version__}"
    build = service()["build"]
    assert (ROOT / "docker" / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    for one in WHOLE["services"].values():
        assert re.search(r":\d+\.\d+\.\d+$", one["image"]), one["image"]


def test_it_lets_in_nobody_from_the_lan_and_grants_nothing(image):
    assert ports(service()).items() == {8080: "127.0.0.1:8080"}.items()
    assert ports(service("mosquitto")).items() == {1883: "127.0.0.1:1883"}.items()
    for one in WHOLE["services"].values():
        assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "cap_add", "pid", "devices"} & one.keys()
        assert one.get("user", dict(image)["USER"]).split(":")[0] not in ("0", "root")
    assert service("broker-setup")["network_mode"] == "none"
    assert service()["volumes"] == [f"data:{dict(image)['VOLUME']}", "broker-config:/run/broker:ro"]


# What a service and the file as a whole may hold, as the Compose specification has it; what we use of it.
KEYS = set(
    "build image restart init stop_grace_period read_only tmpfs cap_drop security_opt mem_limit pids_limit logging environment "
    "ports volumes depends_on user healthcheck entrypoint network_mode".split()
)


def test_it_is_a_compose_file():
    assert set(WHOLE) == {"name", "services", "volumes"}
    named = set()
    for name, one in WHOLE["services"].items():
        assert set(one) <= KEYS, name
        assert all(isinstance(text, str) for text in one.get("environment", {}).values())
        assert set(one["logging"]) == {"driver"}
        for needed, how in one.get("depends_on", {}).items():
            assert needed in WHOLE["services"]
            assert how == {"condition": "service_completed_successfully"}
        named |= {volume.split(":")[0] for volume in one["volumes"]}
    assert {name for name in named if "/" not in name} == set(WHOLE["volumes"])
    files = {name for name in named if "/" in name}
    assert files == {"./broker-setup.sh", "./mosquitto"}
    assert os.access(ROOT / "docker" / "broker-setup.sh", os.X_OK)


def test_it_bounds_the_gateway_as_its_unit_does():
    unit = parsed((ROOT / "systemd" / "eryxon-gateway.service").read_text())["Service"]
    assert service()["mem_limit"].upper() == unit["MemoryMax"][0]
    assert str(service()["pids_limit"]) == unit["TasksMax"][0]


def test_it_gives_the_gateway_the_time_to_end():
    assert int(service()["stop_grace_period"].removesuffix("s")) > EXIT_IN_S


def test_its_environment_is_a_configuration(image, tmp_path):
    (tmp_path / "broker.password").write_text("hush\n")
    given = environment(image) | service()["environment"]
    assert given["CREDENTIALS_DIRECTORY"] == "/run/broker/gateway"
    settings = load(environment=given | {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert str(settings.data_dir) == DATA
    assert settings.http.allow_plain_lan
    assert not is_loopback(settings.http.host)  # nobody outside the container would get in
    broker = settings.broker
    assert (broker.mode, broker.host, broker.port, broker.username) == ("external", "mosquitto", 1883, "gateway")
    assert broker.password.get_secret_value() == "hush"


def test_alone_it_takes_its_own_mosquitto(image):
    """As `docker run` in the guide."""
    settings = load(environment=environment(image))
    assert settings.broker.mode == "auto"
    assert "mosquitto" in dict(image)["RUN"]
    assert f"gateway.toml:{CONFIG}:ro" in COMPOSE


# ------------------------------------------------------------------ as the image runs it


def test_its_entrypoint_serves_and_its_health_check_tells(image, installed, site):
    """The wheel's own command with the environment of the image; paths, ports and addresses are this test's."""
    check = json.loads(re.search(r"CMD (\[.*\])", dict(image)["HEALTHCHECK"])[1])
    assert check.pop(0) == "python"
    given = {
        **installed.environment,
        **{name: value for name, value in environment(image).items() if name != "PATH"},
        "GATEWAY_GATEWAY__DATA_DIR": str(installed.data),
        "GATEWAY_HTTP__PORT": str(installed.port),
        "GATEWAY_BROKER__MODE": "embedded",
        "GATEWAY_BROKER__HOST": "127.0.0.1",
        "GATEWAY_BROKER__PORT": str(installed.free_port()),
    }

    def healthy() -> bool:
        return subprocess.run([sys.executable, *check], env=given, capture_output=True, check=False).returncode == 0

    assert not healthy()
    command = [site / "bin" / json.loads(dict(image)["ENTRYPOINT"])[0], *json.loads(dict(image)["CMD"])]
    with subprocess.Popen(
        command, env=given, cwd=installed.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        try:
            assert run.stdout.readline().startswith(b"ready: http://127.0.0.1:")
            assert healthy()
            assert (installed.data / "first-admin-key").is_file()
            run.terminate()
            _, log = run.communicate(timeout=EXIT_IN_S)
        finally:
            run.kill()
    assert run.returncode == 0
    assert {json.loads(line)["event"] for line in log.splitlines()} >= {"gateway.ready", "gateway.stopped"}
    assert not healthy()
