"""`uns` and `tls` as a person or a script has them."""

import hashlib
import json
import shutil
import ssl
import subprocess
import time
import urllib.request

import pytest

WAIT_MAX_S = 30
DEVICES = """
[broker]
mode = "off"
[[uns.device]]
id = "laser-1"
cells = ["Laser"]
"""
PERSON = {
    "id": "00000000-0000-4000-8000-00000000be01",
    "username": "laser1",
    "full_name": "Laser One",
    "employee_id": "04A2",
    "role": "operator",
}


def test_a_password_stands_alone_on_the_last_line_and_all_else_on_stderr(either):
    either.configure(DEVICES)
    said = either.ok("uns", "devices", "add", "laser-1")
    assert said.out == said.last + "\n"
    assert len(said.last) == 24
    assert said.last not in said.err
    rotated = either.ok("uns", "devices", "rotate", "laser-1")
    assert rotated.out == rotated.last + "\n"
    assert rotated.last != said.last
    (listed,) = [one for one in either.ok("uns", "devices", "list", "--json").json if one["device"] == "laser-1"]
    assert listed["since"]
    assert said.last not in (either.data / "broker" / "devices.json").read_text()
    either.ok("uns", "devices", "remove", "laser-1")
    again = either.call("uns", "devices", "remove", "laser-1")
    assert (again.code, "has no password" in again.err) == (1, True)
    twice = either.ok("uns", "devices", "add", "laser-1", "--json").json
    assert (twice["device"], len(twice["password"])) == ("laser-1", 24)
    assert either.call("uns", "devices", "add", "laser-1").code == 1


def test_the_plan_says_what_is_missing_and_ends_well(program):
    program.configure(DEVICES)
    said = program.ok("uns", "check")
    assert 'there is no cell "Laser" yet' in said.out
    assert program.ok("uns", "check", "--json").json["devices"][0]["device"] == "laser-1"
    program.ok(
        "import",
        "-",
        stdin=json.dumps({"cells": [{"id": "00000000-0000-4000-8000-00000000ce01", "name": "Laser", "sequence": 1}]}),
    )
    assert "Laser -> enterprise/site/area/laser" in program.ok("uns", "check").out


def test_the_plan_knows_whether_the_operator_of_a_device_is_somebody(program):
    program.configure(f'{DEVICES}operator = "laser1"\n')
    assert 'its operator "laser1" is not one profile at work' in program.ok("uns", "check").out
    program.ok("import", "-", stdin=json.dumps({"profiles": [PERSON]}))
    assert "laser1" not in program.ok("uns", "check").out


def test_a_broker_that_is_not_ours_gets_its_access_list(program):
    program.configure(DEVICES.replace("off", "external"))
    said = program.ok("uns", "check")
    assert "user laser-1\n" in said.out
    assert "topic write enterprise/site/_dev/laser-1/in/#" in said.out
    added = program.ok("uns", "devices", "add", "laser-1")
    assert "laser-1:$7$" in added.err


def test_a_client_certificate_is_put_where_it_was_asked_for(program, tmp_path):
    program.configure(DEVICES)
    program.ok("uns", "devices", "add", "laser-1", "--certificate", str(tmp_path / "usb"))
    assert {file.name for file in (tmp_path / "usb").iterdir()} == {"laser-1.crt", "laser-1.key", "ca.crt"}
    wrong = program.call("uns", "devices", "add", "../laser", "--certificate", str(tmp_path / "usb"))
    assert (wrong.code, "cannot be the name" in wrong.err) == (1, True)


def test_https_is_there_after_tls_init_and_its_ca_can_be_fetched(program, tmp_path):
    program.configure(f'[http]\nport = {program.port}\ntls_host = "127.0.0.1"\ntls_port = 0\n[broker]\nmode = "off"\n')
    with program.serving():
        assert program.get("/ca.crt")[0] == 404
    said = program.ok("tls", "init", "--name", "gateway.example", "--json").json
    assert "gateway.example" in said["certificates"][0]["names"]
    assert "127.0.0.1" in said["certificates"][0]["names"]
    assert {file.stat().st_mode & 0o777 for file in (program.data / "tls").iterdir()} == {0o600}
    assert program.call("tls", "init").code == 1
    port = program.free_port()
    program.config.write_text(program.config.read_text().replace("tls_port = 0", f"tls_port = {port}"))
    with program.serving():
        address = f"127.0.0.1:{port}"
        status, ca = program.get("/ca.crt")
        assert (status, ca) == (200, (program.data / "tls" / "ca.crt").read_text())
        context = ssl.create_default_context(cadata=ca)
        with urllib.request.urlopen(f"https://{address}/livez", context=context, timeout=10) as answer:
            assert answer.read() == b"live"
    before = (program.data / "tls" / "server.crt").read_text()
    renewed = program.ok("tls", "renew", "--json").json
    assert "gateway.example" in renewed["certificates"][0]["names"]
    assert (program.data / "tls" / "server.crt").read_text() != before
    assert (program.data / "tls" / "ca.crt").read_text() == ca


@pytest.mark.parametrize("verb", ["renew", "show"])
def test_there_is_nothing_to_renew_or_show_before_there_is_something(program, verb):
    said = program.call("tls", verb)
    assert (said.code, "tls init" in said.err) == (1, True)


def test_the_fingerprint_is_that_of_the_ca_and_stays(program):
    made = program.ok("tls", "init", "--json").json
    ca = ssl.PEM_cert_to_DER_cert((program.data / "tls" / "ca.crt").read_text())
    assert made["fingerprint"] == hashlib.sha256(ca).digest().hex(":").upper()
    shown = program.ok("tls", "show")
    assert made["fingerprint"] in shown.out
    assert all(name in shown.out for name in made["certificates"][0]["names"])
    assert made["certificates"][0]["ends"][:10] in shown.out


def test_a_running_gateway_lets_a_device_in_at_once_on_the_lan_and_shuts_it_out(program):
    """The whole way: the command, admin.sock, Mosquitto with TLS, a client of the line."""
    plain, lan = program.free_port(), program.free_port()
    broker = f'mode = "managed"\nport = {plain}\ntls_host = "127.0.0.1"\ntls_port = {lan}'
    program.configure(DEVICES.replace('mode = "off"', broker))
    topic = "enterprise/site/_dev/laser-1/in/state"
    with program.serving():
        key = program.key("read")
        password = program.ok("uns", "devices", "add", "laser-1").last
        until(lambda: "lan" in broker_of(program, key))
        assert said_over_tls(program, lan, password, topic)
        assert not said_over_tls(program, lan, password, "enterprise/site/_dev/saw-1/in/state")
        assert 'no cell "Laser" yet' in broker_of(program, key)["warnings"][0]
        fresh = program.ok("uns", "devices", "rotate", "laser-1").last
        assert not said_over_tls(program, lan, password, topic)
        assert said_over_tls(program, lan, fresh, topic)
        program.ok("uns", "devices", "remove", "laser-1")
        until(lambda: "lan" not in broker_of(program, key))
        assert not said_over_tls(program, lan, fresh, topic)


def broker_of(program, key: str) -> dict:
    """Its entry in /healthz."""
    return json.loads(program.get("/healthz", key)[1])["links"]["broker"]


def said_over_tls(program, port: int, password: str, topic: str) -> bool:
    """Whether a publish with QoS 1 was taken."""
    command = [tool("mosquitto_pub"), "-h", "localhost", "-p", str(port), "-u", "laser-1", "-P", password]
    command += ["--cafile", str(program.data / "tls" / "ca.crt"), "-V", "mqttv5", "-q", "1", "-t", topic, "-m", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode == 0 and "Not authorized" not in done.stderr + done.stdout


def tool(name: str) -> str:
    found = shutil.which(name)
    assert found, f"there is no {name}: run `make setup-tests`"
    return found


def until(fact) -> None:
    ends_s = time.monotonic() + WAIT_MAX_S
    while not fact():
        assert time.monotonic() < ends_s, "waited in vain"
        time.sleep(0.1)


def test_a_folder_that_cannot_be_written_keeps_nobody_from_the_password(program, tmp_path):
    program.configure(DEVICES)
    (tmp_path / "usb").write_text("no folder")
    said = program.call("uns", "devices", "add", "laser-1", "--certificate", str(tmp_path / "usb" / "below"))
    assert said.code == 1
    assert len(said.last) == 24
