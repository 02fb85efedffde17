"""Secrets in the configuration that are written sealed: `api_key = "sealed:1:..."`. Each is bound to its key, so that a line that
was copied to another key does not open there.
"""

from collections.abc import Iterator, MutableMapping, MutableSequence
from typing import Any

from gateway.kernel.errors import StorageFailed
from gateway.kernel.secrets import Secrets, is_sealed
from gateway.values import SECRET_NAME

SECRET_KEYS = frozenset(
    f"cloud.{name}" for name in ("api_key", "service_password", "anon_key", "webhook_secret", "publish_password")
) | {"broker.password", "broker.bridge.password"}
_OTHERS = (
    "it was sealed with another key than the one of this box, or for another setting: set it again, as "
    "`eryxon-gateway config set {}=...`"
)
_PLUGINS = "plugins"


def about(key: str) -> str:
    """What a secret of the configuration is sealed for."""
    return f"settings:{key}"


def is_secret(key: str) -> bool:
    """`key` with dots, without places in lists: `cloud.api_key`. In a plugin's section the name decides."""
    first, _, rest = key.partition(".")
    return key in SECRET_KEYS or (first == _PLUGINS and SECRET_NAME.search(rest.rpartition(".")[2]) is not None)


def in_clear(tree: Any) -> list[str]:
    """The keys of the secrets that are not sealed."""
    return sorted({key for _, _, key, text in _texts(tree) if text and is_secret(key) and not is_sealed(text)})


def seal(tree: Any, secrets: Secrets) -> list[str]:
    """Seals in place what `in_clear` names, and returns it. Raises StorageFailed."""
    done = set()
    for holder, step, key, text in [*_texts(tree)]:
        if text and is_secret(key) and not is_sealed(text):
            holder[step] = secrets.seal(text, about(key))
            done.add(key)
    return sorted(done)


def open_all(tree: Any, secrets: Secrets) -> dict[str, str]:
    """Opens in place; returns what does not open and stays as it is: key -> why, for people."""
    locked = {}
    for holder, step, key, text in [*_texts(tree)]:
        if is_sealed(text):
            try:
                found = secrets.open(text, about(key))
            except StorageFailed as exc:
                locked[key] = exc.message
                continue
            if found is None:
                locked[key] = _OTHERS.format(key)
            else:
                holder[step] = found
    return locked


def holds_sealed(tree: Any) -> bool:
    return any(is_sealed(text) for _, _, _, text in _texts(tree))


def _texts(tree: Any, above: str = "") -> Iterator[tuple[Any, Any, str, str]]:
    """(what holds it, its name or place in there, its key, the text)."""
    if isinstance(tree, MutableMapping):
        steps = [(name, f"{above}.{name}".lstrip("."), value) for name, value in tree.items()]
    elif isinstance(tree, MutableSequence):
        steps = [(place, above, value) for place, value in enumerate(tree)]
    else:
        return
    for step, key, value in steps:
        if isinstance(value, str):
            yield tree, step, key, str(value)
        else:
            yield from _texts(value, key)
