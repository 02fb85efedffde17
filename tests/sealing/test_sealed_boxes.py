"""A gateway as systemd starts it: the key in a folder of credentials, the configuration sealed, and commands beside it."""

import contextlib
import json
import shutil
import sqlite3
import tomllib
import urllib.request

import pytest
from program import Program

from gateway.kernel.secrets import FILE, KNOWN, MARK, Secrets

KEY = bytes(range(64))
HOOK = {"url": "https://erp.example.com/hook", "events": ["job.created"], "secret_key": "whsec_c4n4ry"}
CLOUD = '[cloud]\nurl = "http://127.0.0.1:9/functions/v1"\napi_key = "ery_live_c4n4ry"\n'
PASSPHRASE = "correct horse battery"


@pytest.fixture
def program(tmp_path):
    box = Program.at(tmp_path)
    box.configure('[broker]\nmode = "off"\n' + CLOUD)
    return box


@pytest.fixture
def store(tmp_path):
    store = tmp_path / "credentials"
    store.mkdir(mode=0o700)
    (store / "box-key").write_bytes(KEY)
    return store


@contextlib.contextmanager
def inside(program, store):
    """The service has the credentials, a command that runs beside it has not."""
    given = {**program.environment, "CREDENTIALS_DIRECTORY": str(store)}
    with Program(program.folder, program.data, program.port, given).serving() as process:
        yield process


def post(program, path, key, body):
    asked = urllib.request.Request(  # noqa: S310 -- of this test
        program.url + path, json.dumps(body).encode(), {"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 -- as above
        return json.load(answer)["data"]


def health(program, key):
    return json.loads(program.get("/healthz", key)[1])


def test_a_command_seals_through_the_service_and_needs_no_key_where_none_is_needed(program, store):
    with inside(program, store):
        said = program.ok("config", "seal", "--json").json
        assert (said["written"], said["keys"]) == (True, ["cloud.api_key"])
        assert tomllib.loads(program.config.read_text())["cloud"]["api_key"].startswith(MARK)
        tried = program.call("ops", "test-cloud")  # by the service, with the key that only it can open
        assert (tried.code, "cannot connect" in tried.out) == (1, True), tried
    assert not (program.data / FILE).exists()
    assert program.ok("keys", "list", "--json").json  # stopped: no secret, no key
    assert MARK not in program.ok("config", "show").out
    program.environment["GATEWAY_PASSPHRASE"] = PASSPHRASE
    for words in (("backup", "create", "--with-secrets"), ("config", "set", "cloud.api_key=ery_live_new")):
        said = program.call(*words)
        assert (said.code, "start the service" in said.err) == (1, True), said
    assert program.ok("backup", "create").code == 0
    assert not (program.data / FILE).exists()


def test_with_a_lost_key_the_cloud_is_off_and_the_rest_works(program, store):
    with inside(program, store):
        key = program.key()
        program.ok("config", "seal")
    (store / "box-key").write_bytes(KEY[::-1])
    with inside(program, store):
        told = health(program, key)
        link = told["links"]["cloud"]
        assert (link["state"], "cloud.api_key does not open" in link["error"]) == ("off", True)
        assert "another one" in str(told.get("problems"))
        assert program.get("/api-jobs", key)[0] == 200
        found = {one["id"]: one for one in program.call("doctor", "--json").json}
        assert any(not one["ok"] and "cloud.api_key" in one["found"] for one in found.values())
    (store / "box-key").write_bytes(KEY)
    with inside(program, store):
        assert health(program, key)["links"]["cloud"]["state"] != "off"


def test_a_backup_brings_the_key_to_another_box_whose_store_has_one_already(program, store, tmp_path):
    program.environment["GATEWAY_PASSPHRASE"] = PASSPHRASE
    with inside(program, store):
        key = program.key()
        program.ok("config", "seal")
        webhook = post(program, "/api-webhooks", key, HOOK)["webhook"]["id"]
        program.ok("backup", "create", "--with-secrets", "--output", str(tmp_path / "hall.zip"))
    other_store = tmp_path / "other-credentials"
    other_store.mkdir()
    (other_store / "box-key").write_bytes(KEY[::-1])
    shutil.rmtree(program.data)
    program.config.unlink()
    restored = ("restore", str(tmp_path / "hall.zip"), "--yes", "--with-secrets", "--data", str(program.data))
    said = program.ok(*restored)
    assert "install.sh" in said.out
    assert (program.data / FILE).read_bytes() == KEY
    assert not (program.data / KNOWN).exists()
    assert tomllib.loads(program.config.read_text())["cloud"]["api_key"].startswith(MARK)
    with inside(program, other_store):  # before the key was moved
        told = health(program, key)
        assert "they differ" in str(told.get("problems"))
        assert told["links"]["cloud"]["state"] == "off"
        assert program.get("/api-jobs", key)[0] == 200
    shutil.move(program.data / FILE, other_store / "box-key")  # as install.sh does
    with inside(program, other_store):
        told = health(program, key)
        assert not told.get("problems")
        assert told["links"]["cloud"]["state"] != "off"
    with contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite")) as rows:
        (row,) = rows.execute("SELECT secret_key FROM webhooks").fetchone()
    assert Secrets(program.data, other_store).open(row, f"webhooks:{webhook}") == HOOK["secret_key"]
