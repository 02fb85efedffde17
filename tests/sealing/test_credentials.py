"""Settings from the credentials of the service: above the file, below the environment."""

import pytest

from gateway.credentials import BYTES_MAX
from gateway.kernel.errors import StartupError
from gateway.settings import inherited, load, origins

URL = "https://project.example/functions/v1"


@pytest.fixture
def store(tmp_path):
    store = tmp_path / "credentials"
    store.mkdir()
    return store


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(f'[site]\narea = "hall"\n[cloud]\nurl = "{URL}"\napi_key = "ery_live_of_the_file"\n')
    return file


def given(store, **more: str) -> dict[str, str]:
    return {"CREDENTIALS_DIRECTORY": str(store), **more}


def test_one_wins_over_the_file_and_loses_to_the_environment(store, file):
    (store / "cloud.api_key").write_text("ery_live_of_the_store\n")
    (store / "site.area").write_text("store")
    (store / "box-key").write_bytes(bytes(64))
    environment = given(store, GATEWAY_SITE__AREA="environment")
    settings = load(file, environment=environment)
    assert settings.cloud.api_key.get_secret_value() == "ery_live_of_the_store"
    assert settings.site.area == "environment"
    assert settings.credentials == store
    came = origins(file, None, environment)
    assert (came["cloud.api_key"], came["cloud.url"]) == ("credential", str(file))
    assert came["site.area"] == "GATEWAY_SITE__AREA"
    assert load(file, environment={}).cloud.api_key.get_secret_value() == "ery_live_of_the_file"


def test_deeper_keys_lists_and_types_are_as_in_the_environment(store, file):
    (store / "plugins.opcua_mirror.port").write_text("4841")
    (store / "cloud.cells").write_text('["Laser", "Press"]')
    (store / "http.port").write_text("9000\r\n")
    settings = load(file, environment=given(store))
    assert settings.plugins["opcua_mirror"]["port"] == 4841
    assert (settings.cloud.cells, settings.http.port) == (("Laser", "Press"), 9000)


def test_what_is_wrong_is_said_without_its_value(store, file):
    for name, content, told in (
        (
            "cloud.api_kye",
            b"ery_live_hush",
            'credential cloud.api_kye: unknown key cloud.api_kye: did you mean "api_key"?',
        ),
        ("cloud.webhook_secret", b"hush", "credential cloud.webhook_secret: cloud: webhook_secret is too short"),
        ("cloud.api_key", b"\xff\xfehush", "credential cloud.api_key cannot be read"),
        ("cloud.api_key", b"hush" * BYTES_MAX, "too large"),
    ):
        (store / name).write_bytes(content)
        with pytest.raises(StartupError) as refused:
            load(file, environment=given(store))
        assert told in refused.value.message.replace(f"{file}: cloud", f"credential {name}: cloud")
        assert "hush" not in refused.value.message
        (store / name).unlink()


def test_a_folder_that_cannot_be_read_is_said_and_one_that_is_not_there_is_empty(tmp_path, file):
    with pytest.raises(StartupError, match="credentials"):
        load(file, environment=given(file))
    assert load(file, environment=given(tmp_path / "none")).site.area == "hall"


def test_children_do_not_get_them(store, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(store))
    assert "CREDENTIALS_DIRECTORY" not in inherited()
