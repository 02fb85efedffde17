"""Settings: file, environment, defaults; what is wrong is named with its source, its key, its value and the way out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from gateway import settings as settings_
from gateway.kernel.errors import StartupError
from gateway.sections import Duration, Section, Settings
from gateway.settings import load, unused

CLOUD = '[cloud]\nurl = "https://cloud.example/functions/v1"\napi_key = "ery_live_hush"\n'


@pytest.fixture
def read(tmp_path):
    """`read(toml, {variable: text})`: the settings."""

    def make(text="", environment=None):
        file = tmp_path / "gateway.toml"
        file.write_text(text)
        return load(file, environment=environment or {})

    return make


@pytest.fixture
def refusal(read):
    """The same for what must be refused: the message."""

    def make(text="", environment=None) -> str:
        with pytest.raises(StartupError) as refused:
            read(text, environment)
        return refused.value.message

    return make


# ------------------------------------------------------------------ where a value comes from


def test_without_a_file_there_are_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings_, "CONFIGS", (tmp_path / "gateway.toml",))
    found = load(environment={})
    assert (found.http.host, found.http.port, found.broker.mode, found.cloud.kind) == ("127.0.0.1", 8080, "auto", "off")
    assert found.data_dir == tmp_path / "data"
    (tmp_path / "gateway.toml").write_text("[http]\nport = 9000\n")
    assert load(environment={}).http.port == 9000


def test_the_environment_wins_over_the_file_and_the_command_over_both(tmp_path, read):
    text = f'[http]\nport = 1\n[gateway]\ndata_dir = "{tmp_path / "a"}"\n'
    environment = {"GATEWAY_HTTP__PORT": "2", "GATEWAY_GATEWAY__DATA_DIR": str(tmp_path / "b")}
    found = read(text, environment)
    assert (found.http.port, found.data_dir) == (2, tmp_path / "b")
    assert load(tmp_path / "gateway.toml", tmp_path / "c", environment).data_dir == tmp_path / "c"


@pytest.mark.parametrize(
    ("variable", "text", "section", "key", "value"),
    [
        ("GATEWAY_HTTP__ALLOW_PLAIN_LAN", "true", "http", "allow_plain_lan", True),
        ("GATEWAY_CLOUD__CELLS", "Laser, Saw", "cloud", "cells", ("Laser", "Saw")),
        ("GATEWAY_CLOUD__CELLS", '["Laser, left"]', "cloud", "cells", ("Laser, left",)),
        ("GATEWAY_LIMITS__REQUEST_TIMEOUT", "1m", "limits", "request_timeout", 60.0),
        ("GATEWAY_SITE__ENTERPRISE", "7", "site", "enterprise", "7"),
        ("GATEWAY_UNS__AREAS", '{"Laser": "hall 2"}', "uns", "areas", {"Laser": "hall 2"}),
    ],
)
def test_every_kind_of_value_can_come_from_the_environment(read, variable, text, section, key, value):
    assert getattr(getattr(read("", {variable: text}), section), key) == value


def test_a_plugins_keys_are_reached_by_a_deeper_name_with_their_types(read):
    text = "[plugins.opcua_mirror]\nenabled = true\nport = 4840\n"
    found = read(
        text,
        {
            "GATEWAY_PLUGINS__OPCUA_MIRROR__PORT": "4841",
            "GATEWAY_PLUGINS__OPCUA_MIRROR__TLS__CERT": "c.pem",
            "GATEWAY_PLUGINS__LABEL_PRINTER__ENABLED": "false",
        },
    )
    assert found.plugins["opcua_mirror"] == {"enabled": True, "port": 4841, "tls": {"cert": "c.pem"}}
    assert found.plugins["label_printer"] == {"enabled": False}


def test_variables_of_somebody_else_are_left_alone(read):
    read("", {"GATEWAY_SERVICE_HOST": "10.0.0.1", "GATEWAY_PORT": "tcp://10.0.0.1:80", "HTTP__PORT": "x"})


# ------------------------------------------------------------------ unknown keys


def sections(kind: type[BaseModel] = Settings, way: tuple[str, ...] = ()):
    """Every section with keys of its own, and the way to it."""
    for name, field in kind.model_fields.items():
        for inner in settings_._kinds(field.annotation):
            if issubclass(inner, Section):
                yield (*way, name), inner
                yield from sections(inner, (*way, name))


@pytest.mark.parametrize(
    ("way", "kind"),
    [one for one in sections() if len(one[0]) == 1],
    ids=lambda one: one[0] if type(one) is tuple else "",
)
def test_an_unknown_key_names_the_nearest_one_in_every_section(refusal, way, kind):
    for key in kind.model_fields:
        wrong = key + "x"
        told = refusal(f"[{way[0]}]\n{wrong} = 1\n")
        assert f"unknown key {way[0]}.{wrong}" in told
        assert f'did you mean "{key}"?' in told
        assert "gateway.toml: " in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[htp]\nport = 1\n", 'unknown key htp: did you mean "http"?'),
        ("[http]\nzzz = 1\n", "unknown key http.zzz; known here: host, port"),
        ('[[uns.device]]\nid = "m"\ncells = []\nrolle = 1\n', 'unknown key uns.device.0.rolle: did you mean "role"?'),
        ('[[uns.mapping]]\ndevice = "m"\nrule = "gauge"\nfakter = 1\n', 'did you mean "factor"?'),
    ],
)
def test_an_unknown_section_and_a_key_deeper_down(refusal, text, told):
    assert told in refusal(text)


def test_an_unknown_key_of_the_environment_names_the_variable(refusal):
    told = refusal("", {"GATEWAY_HTTP__PROT": "1"})
    assert told == 'GATEWAY_HTTP__PROT: unknown key http.prot: did you mean "port"?'


def test_all_that_is_wrong_is_told_at_once(refusal):
    told = refusal('[http]\nport = "many"\nhots = 1\n[log]\nlevel = "loud"\n')
    assert len(told.splitlines()) == 3


# ------------------------------------------------------------------ wrong values


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[http]\nport = 70000\n", ("http.port = 70000", "65535")),
        ('[http]\nhost = "0.0.0.0"\n', ("http", "allow_plain_lan = true", "tls_cert")),
        ('[http]\ntls_cert = "a.pem"\n', ("tls_cert and tls_key belong together",)),
        ('[gateway]\nid = "GW 1"\n', ('gateway.id = "GW 1"',)),
        ('[gateway]\nid = "cloud"\n', ("choose another",)),
        ('[site]\narea = "a/b"\n', ('site.area = "a/b"',)),
        ('[site]\ntenant_id = "7"\n', ('site.tenant_id = "7"',)),
        ('[broker]\nmode = "maybe"\n', ("broker.mode", "'managed'", "'off'")),
        ('[cloud]\nkind = "plain"\n', ("cloud", "https://project.example")),
        ('[cloud]\nurl = "https://c.example"\n', ("api_key is missing", 'kind = "off"')),
        ('[cloud]\nurl = "http://c.example"\napi_key = "x"\n', ("in the clear", "https")),
        ('[cloud]\nurl = "ftp://c.example"\napi_key = "x"\n', ("is not an address",)),
        ("[retention]\njournal_days = 0\n", ("retention.journal_days = 0",)),
        ("[limits]\nburst = 0\n", ("limits.burst = 0",)),
        ('[compat]\ntopic = "mine"\n', ("compat.topic", "'documented'")),
        ('[webhooks]\nallowed_networks = ["10.0.0.0/99"]\n', ("webhooks.allowed_networks.0", "10.0.0.0/99")),
        ("http = 7\n", ("http",)),
        ("plugins = 7\n", ("plugins",)),
        ("[http\n", ("is not valid TOML",)),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_the_way_out(refusal, text, parts):
    told = refusal(text)
    assert "gateway.toml" in told
    for part in parts:
        assert part in told


def test_a_wrong_value_of_the_environment_names_the_variable(refusal):
    assert refusal("", {"GATEWAY_HTTP__PORT": "many"}).startswith('GATEWAY_HTTP__PORT: http.port = "many": ')
    assert "GATEWAY_HTTP__PORT__X" in refusal("[http]\nport = 1\n", {"GATEWAY_HTTP__PORT__X": "1"})


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path):
    with pytest.raises(StartupError, match=r"init --config"):
        load(tmp_path / "none.toml", environment={})
    (tmp_path / "latin.toml").write_bytes(b'[site]\narea = "H\xe4lle"\n')
    with pytest.raises(StartupError, match="is not valid TOML"):
        load(tmp_path / "latin.toml", environment={})


# ------------------------------------------------------------------ durations


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("5m", 300), ("24h", 86_400), ("30d", 2_592_000), ("1.5h", 5400)]
)
def test_a_duration_is_a_number_with_a_unit(read, text, seconds):
    assert read(f'[limits]\nrequest_timeout = "{text}"\n').limits.request_timeout == seconds


@pytest.mark.parametrize("value", ["30", '"30"', '"30 s"', '"s"', '"-5s"', '"1w"', "true", '"1h30m"', "[]"])
def test_anything_else_is_refused_with_examples(refusal, value):
    told = refusal(f"[limits]\nrequest_timeout = {value}\n")
    assert "limits.request_timeout" in told
    assert '"30s"' in told


@given(st.integers(1, 10**9))
def test_a_duration_is_shown_as_it_can_be_written(milliseconds):
    adapter = TypeAdapter(Duration)
    seconds = adapter.validate_python(f"{milliseconds}ms")
    assert adapter.validate_python(adapter.dump_python(seconds)) == pytest.approx(seconds, abs=1e-6)


# ------------------------------------------------------------------ secrets, warnings


def test_secrets_are_hidden_where_settings_are_shown_and_where_they_are_wrong(read, refusal):
    text = (
        CLOUD
        + '[broker]\nmode = "external"\npassword = "hush1"\n[plugins.printer]\nenabled = true\napi_token = "hush2"\n'
        + '[plugins.printer.web]\nsecret_key = "hush3"\n'
        + '[[plugins.printer.tray]]\npassword = "hush4"\n'
    )
    found = read(text)
    assert found.cloud.api_key.get_secret_value() == "ery_live_hush"
    told = json.dumps(found.shown())
    assert "hush" not in told
    assert "hush" not in repr(found)
    assert found.shown()["plugins"]["printer"]["enabled"] is True
    assert "hush" not in refusal('[cloud]\nurl = "https://c.example"\napi_key = ["hush"]\n')
    assert "hush" not in refusal("", {"GATEWAY_BROKER__PASSWORD": '["hush"]'})
    assert "hush" not in refusal(CLOUD + "colour = 1\n")
    assert "hush" not in refusal(CLOUD + 'timeout = "soon"\n')


def test_a_plugin_with_settings_that_is_not_switched_on_is_told(read):
    text = "[plugins.x]\nenabled = false\nport = 1\n[plugins.y]\nport = 2\n[plugins.z]\nenabled = true\n"
    assert unused(read(CLOUD)) == []
    assert unused(read(text)) == ["plugins.y: enabled = true is missing, so it is off"]
    assert unused(read("", {"GATEWAY_PLUGINS__Y__PORT": "2"})) == ["plugins.y: enabled = true is missing, so it is off"]


def test_folders_of_the_configuration_are_absolute(read, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = read('[gateway]\ndata_dir = "d"\nplugins_dir = "p"\n').gateway
    assert (found.data_dir, found.plugins_dir) == (tmp_path / "d", tmp_path / "p")
    assert read("").gateway.plugins_dir is None
