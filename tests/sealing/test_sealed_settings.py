"""Secrets in the configuration file: written sealed, read open, and what happens when one does not open."""

import tomllib

import pytest

from gateway import sealed
from gateway.app import check
from gateway.backups import configured
from gateway.configuration import Configuration
from gateway.kernel.errors import Invalid, StorageFailed, Unavailable
from gateway.kernel.secrets import MARK, Secrets, usable
from gateway.settings import load, unused

KEY, SERVICE, BROKER, PLC = "ery_live_c4n4ryc4n4ry", "service hush", "broker hush", "plc hush"
TEXT = """# the hall
[gateway]
data_dir = "{folder}/data"

[broker]
mode = "external"   # of the plant
password = "{broker}"
bridge = {{ address = "10.0.0.9:8883", password = 'bridge hush' }}

[cloud]
url = "https://project.example/functions/v1"
api_key = "{key}"   # made in May
service_user = "edge@example.com"
service_password = "{service}"
anon_key = "anon hush"

[[plugins.opcua_client.server]]
name = "press"
url = "opc.tcp://10.0.0.8:4840"
user = "gw"
password = "{plc}"
"""
SEALED = [
    "broker.bridge.password",
    "broker.password",
    "cloud.anon_key",
    "cloud.api_key",
    "cloud.service_password",
    "plugins.opcua_client.server.password",
]
ALL = (KEY, SERVICE, BROKER, PLC, "bridge hush", "anon hush")


@pytest.fixture
def file(tmp_path):
    (tmp_path / "data").mkdir()
    file = tmp_path / "gateway.toml"
    file.write_text(TEXT.format(folder=tmp_path, broker=BROKER, key=KEY, service=SERVICE, plc=PLC))
    return file


@pytest.fixture
def source(file):
    return Configuration(file, None, check)


def revealed(settings) -> dict[str, str]:
    return configured.split(settings)[1]


def test_what_stands_in_the_clear_is_sealed_in_place_and_means_the_same(file, source):
    before = load(file)
    assert sealed.in_clear(tomllib.loads(file.read_text())) == SEALED
    told = source.seal()
    assert (told["written"], told["keys"]) == (True, SEALED)
    text = file.read_text()
    assert not [one for one in ALL if one in text]
    assert text.count(MARK) == len(ALL)
    assert "# the hall" in text
    assert "# made in May" in text
    assert 'mode = "external"   # of the plant' in text
    after = load(file)
    assert (after.model_dump(), after.locked) == (before.model_dump(), {})
    assert set(ALL) <= set(revealed(after).values())
    assert sealed.in_clear(tomllib.loads(text)) == []
    assert source.seal()["keys"] == []
    assert file.read_text() == text
    assert file.stat().st_mode & 0o777 == 0o600


def test_neither_form_is_shown(file, source, tmp_path):
    source.seal()
    settings = load(file)
    kept, missing = configured.split(settings)
    shown = [settings.shown(), source.shown(settings), configured.text("gw", kept, missing), repr(settings)]
    source.write({"cloud.api_key": "ery_live_another"})
    shown += [source.shown(settings), source.diff(settings, file.read_text())]
    assert not [one for one in (*ALL, MARK, "ery_live_another") if one in str(shown)]
    assert [one["key"] for one in source.diff(settings, file.read_text())] == ["cloud.api_key"]


def test_what_is_set_is_written_sealed(file, source):
    source.write({"cloud.api_key": "ery_live_another", "cloud.timeout": "20s", "plugins.modbus": {"token": "t 1"}})
    tree = tomllib.loads(file.read_text())
    assert tree["cloud"]["api_key"].startswith(MARK)
    assert tree["plugins"]["modbus"]["token"].startswith(MARK)
    assert tree["cloud"]["timeout"] == "20s"
    assert tree["broker"]["password"] == BROKER  # only what was asked for is touched
    settings = load(file)
    assert settings.cloud.api_key.get_secret_value() == "ery_live_another"
    assert settings.plugins["modbus"]["token"] == "t 1"
    source.write({"cloud.service_user": None, "cloud.service_password": "", "cloud.anon_key": ""})
    assert load(file).cloud.service_password.get_secret_value() == ""


def test_a_line_that_was_copied_to_another_key_does_not_open_there(file, source):
    source.seal()
    tree = tomllib.loads(file.read_text())
    text = file.read_text().replace(tree["broker"]["password"], tree["cloud"]["api_key"])
    file.write_text(text)
    assert [*load(file).locked] == ["broker.password"]


def test_without_its_key_a_secret_is_locked_and_said_with_the_way_out(file, source, tmp_path):
    source.seal()
    (tmp_path / "data" / "box.key").unlink()
    settings = load(file)
    assert [*settings.locked] == [one for one in settings.locked if one in SEALED]
    assert len(settings.locked) == len(SEALED)
    assert not (tmp_path / "data" / "box.key").exists(), "looking makes no key"
    assert "config set cloud.api_key=" in settings.locked["cloud.api_key"]
    assert any("cloud.api_key does not open" in one for one in unused(settings))
    assert settings.cloud.enabled
    assert "cloud.api_key" in configured.split(settings)[1]


def test_what_is_locked_can_be_set_again(file, source, tmp_path):
    source.seal()
    (tmp_path / "data" / "box.key").unlink()
    source.write({"cloud.api_key": "ery_live_new"})
    settings = load(file)
    assert settings.cloud.api_key.get_secret_value() == "ery_live_new"
    assert "cloud.api_key" not in settings.locked


def test_nothing_is_sealed_while_the_key_is_in_the_store_and_this_is_no_service(file, source, tmp_path, monkeypatch):
    store = tmp_path / "store"
    store.mkdir()
    (store / "box-key").write_bytes(bytes(range(64)))
    Secrets(tmp_path / "data", store).settle()
    before = file.read_text()
    for ask in (source.seal, lambda: source.write({"cloud.api_key": "ery_live_another"})):
        with pytest.raises(StorageFailed, match="start the service"):
            ask()
    assert file.read_text() == before
    assert source.write({"cloud.timeout": "20s"})["written"]  # needs none
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(store))
    assert source.seal()["keys"] == SEALED
    assert load(file).locked == {}
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert set(load(file).locked) == set(SEALED)
    assert not (tmp_path / "data" / "box.key").exists()


def test_a_file_that_cannot_be_written_is_said_with_what_to_paste(file, source, monkeypatch):
    def refuse(_file, _content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gateway.configuration.write_whole", refuse)
    told = source.write({"cloud.api_key": "ery_live_another"})
    assert told["written"] is False
    assert told["paste"].startswith('[cloud]\napi_key = "sealed:1:')
    assert source.seal()["written"] is False


def test_what_is_not_there_cannot_be_sealed(tmp_path):
    with pytest.raises(Invalid, match="no configuration"):
        Configuration(tmp_path / "none.toml", None, check).seal()


@pytest.mark.parametrize("text", ["", "a password", "sealed"])
def test_what_is_open_is_used(text):
    assert usable(text, "broker.password") == text


def test_what_is_sealed_is_sent_to_nobody():
    with pytest.raises(Unavailable, match=r"broker\.password is sealed .* config check"):
        usable(f"{MARK}00", "broker.password")
