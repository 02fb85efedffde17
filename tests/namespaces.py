"""Mounts and networks of one's own. Root has them nearly everywhere; where the kernel gives none, what needs them says so."""

import subprocess
from functools import cache

import pytest


@cache
def _possible(*kinds: str) -> bool:
    ways = ((), ("--map-root-user",))  # as root; as a user whom the kernel lets be root in a namespace
    return any(
        subprocess.run(["unshare", *way, *kinds, "true"], capture_output=True, check=False).returncode == 0
        for way in ways
    )


def needed(*kinds: str) -> None:
    """`kinds` as `unshare` calls them: `--mount`, `--net`."""
    if not _possible(*kinds):
        pytest.skip(f"no namespace can be made here ({' '.join(kinds)}): run this as root, or let users have them")
