"""Secrets never reach the log: canaries are planted everywhere a secret could stand, in both forms of the log."""

import json
import logging

import pytest
import structlog

from gateway.kernel import logs

CANARY = "c4n4ry"
REFUSED = f"refused ery_live_{CANARY}"
PLANTED = {
    "by name": {"password": CANARY},
    "by a longer name": {"cloud_api_key": CANARY, "apiKey": CANARY, "client_secret": CANARY},
    "a number": {"pin": 4444},
    "below": {"request": {"headers": {"Authorization": f"Bearer {CANARY}"}, "body": [{"token": CANARY}]}},
    "bytes": {"body": f"key=ery_live_{CANARY}".encode()},
    "by its form": {"error": f"401 for ery_live_{CANARY}", "hook": f"whsec_{CANARY}+/=", "test": f"ery_test_{CANARY}"},
    "in a list": {"seen": [f"ery_live_{CANARY}", ("x", f"Bearer {CANARY}")]},
    "in an address": {"url": f"mqtt://gateway:{CANARY}@broker:1883/"},
    "in an object": {"given": ValueError(f"Bearer {CANARY}")},
}


@pytest.fixture(params=["console", "json"])
def configured(request):
    """A logger, set up when it is asked for: stderr is another one while fixtures are made."""

    def configure():
        logs.configure("debug", request.param)
        return structlog.get_logger("test")

    yield configure
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], level=logging.WARNING, force=True)


@pytest.mark.parametrize("fields", PLANTED.values(), ids=PLANTED)
def test_no_secret_in_the_fields(configured, fields, capsys):
    log = configured()
    log.info("something.happened", harmless="shown", **fields)
    written = capsys.readouterr().err
    assert "something.happened" in written
    assert "shown" in written
    assert "***" in written
    assert CANARY not in written
    assert "4444" not in written


def test_no_secret_in_the_message(configured, capsys):
    log = configured()
    log.warning(REFUSED)
    written = capsys.readouterr().err
    assert "refused ery_live_***" in written
    assert CANARY not in written


def fail() -> None:
    try:
        raise KeyError(f"Authorization: Bearer {CANARY}")
    except KeyError as exc:
        raise RuntimeError(f"https://gateway:{CANARY}@cloud.example refused ery_live_{CANARY}") from exc


def test_no_secret_in_a_traceback_nor_in_its_cause(configured, capsys):
    log = configured()
    try:
        fail()
    except RuntimeError:
        log.exception("link.failed", link="cloud")
    written = capsys.readouterr().err
    assert "RuntimeError" in written
    assert "KeyError" in written
    assert CANARY not in written


def test_no_secret_from_a_library_that_logs_by_itself(configured, capsys):
    configured()
    library = logging.getLogger("another.package")
    library.warning("connecting with %s", f"Bearer {CANARY}")
    try:
        fail()
    except RuntimeError:
        library.exception("broken")
    written = capsys.readouterr().err
    assert "connecting with" in written
    assert "RuntimeError" in written
    assert CANARY not in written


def test_what_is_no_secret_is_left_alone(configured, capsys):
    log = configured()
    log.info(
        "step.done", opinion="good", shipping="tomorrow", url="http://broker:1883/a@b", key_id="k-1", password=None
    )
    written = capsys.readouterr().err
    assert "***" not in written
    for shown in ("good", "tomorrow", "http://broker:1883/a@b", "k-1"):
        assert shown in written


def test_machines_get_one_json_object_a_line(capsys):
    logs.configure("info", "json")
    log = structlog.get_logger("test")
    log.debug("too.quiet")
    log.info("operation.started", cell="Säge", count=3)
    try:
        fail()
    except RuntimeError:
        log.exception("link.failed")
    structlog.reset_defaults()
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (first["event"], first["cell"], first["count"], first["level"]) == ("operation.started", "Säge", 3, "info")
    assert first["timestamp"].endswith("Z")
    assert "RuntimeError" in second["exception"]


@pytest.fixture(params=["console", "json"])
def knowing(request):
    """As `configured`, with secrets of the settings that have no form of their own."""

    def configure(tail=None):
        logs.configure("debug", request.param, tail, (CANARY, 'quoted "c4n4ry"', "short"))
        return structlog.get_logger("test")

    yield configure
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], level=logging.WARNING, force=True)


def sign_in(password: str) -> None:
    raise RuntimeError(f"no answer to {password}")


def test_a_secret_of_the_settings_is_in_no_line_and_no_local_variable_in_a_traceback(knowing, capsys):
    tail = logs.Tail()
    log = knowing(tail)
    for secret in (CANARY, 'quoted "c4n4ry"'):
        try:
            sign_in(secret)
        except RuntimeError:
            log.exception("plugin.failed", of=f"as {secret}")
            logging.getLogger("library").exception("failed with %s", secret)
    said = capsys.readouterr().err
    assert "no answer to ***" in said
    assert "plugin.failed" in str(tail.after(0))
    assert CANARY not in said + str(tail.after(0))


def test_on_a_terminal_no_local_variables_are_shown(configured, capsys):
    log = configured()
    unknown = "nobody-told-the-log"
    try:
        len(unknown) / 0
    except ZeroDivisionError:
        log.exception("something.failed")
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert unknown not in said
