"""Passwords are hashed slowly on purpose: here they need not be."""

import pytest

from gateway.ops import passwords


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(passwords, "_COST", 2**4)
