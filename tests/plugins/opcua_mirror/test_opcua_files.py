"""Certificates and users, as files in the plugin's folder; what the command line does there."""

from datetime import timedelta

import pytest
from program import Program

from gateway.kernel.clock import ManualClock
from gateway.plugin_api import StartupError
from plugins.opcua_mirror import pki as pki_
from plugins.opcua_mirror.pki import Pki
from plugins.opcua_mirror.users import FILE, USERS_MAX, Users

NOW = ManualClock().now()


def der(pki: Pki) -> bytes:
    return pki_._load(pki.certificate).public_bytes(pki_.Encoding.DER)


def test_a_renewed_certificate_keeps_its_address_and_names(tmp_path):
    pki = Pki(tmp_path)
    first = pki.own(NOW, names=["laser-pc", "10.0.0.7"])
    assert pki.own(NOW) == first
    assert {"laser-pc", "10.0.0.7", "localhost", "127.0.0.1"} <= set(first.names)
    assert first.uri.startswith("urn:")
    assert first.ends - NOW > timedelta(days=5 * 365 - 2)
    assert pki.key.stat().st_mode & 0o777 == 0o600
    renewed = pki.own(NOW, renew=True)
    assert renewed.id != first.id
    assert (renewed.uri, renewed.names) == (first.uri, first.names)


def test_nobody_is_trusted_before_somebody_says_so(tmp_path):
    client, pki = Pki(tmp_path / "client"), Pki(tmp_path)
    client.own(NOW)
    assert not pki.trusts(der(client), NOW)
    pki.let_in(10, NOW)
    assert not pki.trusts(b"of somebody else", NOW + timedelta(minutes=11))
    assert pki.trusts(der(client), NOW + timedelta(minutes=9))
    assert pki.trusts(der(client), NOW + timedelta(days=1))
    with pytest.raises(StartupError, match="0 to 60"):
        pki.let_in(61, NOW)


def test_a_certificate_that_is_copied_there_is_trusted(tmp_path):
    client, pki = Pki(tmp_path / "client"), Pki(tmp_path)
    client.own(NOW)
    trusted = tmp_path / "pki" / "trusted"
    trusted.mkdir(parents=True)
    (trusted / "scada.pem").write_bytes(client.certificate.read_bytes())
    (trusted / "notes.pem").write_text("no certificate")
    assert pki.trusts(der(client), NOW)


def test_only_so_many_are_kept_of_those_turned_away(tmp_path, monkeypatch):
    monkeypatch.setattr(pki_, "REJECTED_MAX", 2)
    pki = Pki(tmp_path)
    for number in range(4):
        assert not pki.trusts(b"%d" % number, NOW)
    kept = {file.read_bytes() for file in (tmp_path / "pki" / "rejected").iterdir()}
    assert len(kept) == 2
    assert b"3" in kept


def test_users_are_checked_by_their_password(tmp_path):
    users = Users(tmp_path)
    assert users.check("olga", "x") is None
    password = users.add("olga", "operator", ["Laser"], None)
    assert password not in (tmp_path / FILE).read_text()
    for _ in range(2):  # the second time from memory
        assert users.check("olga", password).cells == ("Laser",)
        assert users.check("olga", password + "x") is None
    changed = users.add("olga", "viewer", [], None)
    assert Users(tmp_path).check("olga", password) is None
    assert Users(tmp_path).check("olga", changed).role == "viewer"
    users.remove("olga")
    assert users.check("olga", changed) is None


@pytest.mark.parametrize(("name", "role"), [("", "viewer"), ("a b", "viewer"), ("x" * 65, "viewer"), ("olga", "admin")])
def test_a_user_that_cannot_be(tmp_path, name, role):
    with pytest.raises(StartupError):
        Users(tmp_path).add(name, role, [], None)


def test_there_are_only_so_many_users(tmp_path, monkeypatch):
    monkeypatch.setattr("plugins.opcua_mirror.users.USERS_MAX", 1)
    assert USERS_MAX > 1
    users = Users(tmp_path)
    users.add("olga", "viewer", [], None)
    users.add("olga", "viewer", [], None)
    with pytest.raises(StartupError, match="remove one first"):
        users.add("vera", "viewer", [], None)


def test_the_command_line_works_on_them(tmp_path):
    program = Program.at(tmp_path)
    program.configure()
    shown = program.ok("opcua", "certs", "--name", "laser-pc", "--json").json
    assert "laser-pc" in shown["names"]
    made = program.ok("opcua", "users", "add", "olga", "--role", "operator", "--cell", "Laser")
    folder = tmp_path / "data" / "plugins" / "opcua_mirror"
    assert Users(folder).check("olga", made.last).cells == ("Laser",)
    (listed,) = program.ok("opcua", "users", "list", "--json").json
    shown = {"name": "olga", "role": "operator", "cells": ["Laser"], "operator_id": None}
    assert listed == {**shown, "certificate": ""}
    own = folder / "pki" / "own" / "certificate.pem"
    assert "logs in by the certificate" in program.ok("opcua", "users", "add", "vera", "--certificate", str(own)).last
    assert Users(folder).all()["vera"].certificate == pki_.fingerprint_in(own)
    no_file = program.call("opcua", "users", "add", "otto", "--certificate", str(folder / "nothing.der"))
    assert (no_file.code, no_file.out) == (1, "")
    client = Pki(tmp_path / "client")
    client.own(NOW)
    told = program.ok("opcua", "trust", str(client.certificate), "--minutes", "5", "--json").json
    assert [one["id"] for one in told["trusted"]] == [client.own(NOW).id]
    assert told["open_until"]
    wrong = program.call("opcua", "users", "remove", "otto")
    assert (wrong.code, wrong.out) == (1, "")
    assert "otto" in wrong.err
    assert program.call("opcua", "trust", "--remove").code == 2
