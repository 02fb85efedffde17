"""Where plugins come from: the shipped ones, a folder of the user's, installed packages. Knowing their names imports nothing."""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.kernel.errors import NotFound, StartupError
from gateway.plugin_api import VERSION, Plugin

PACKAGE = "plugins"
GROUP = "eryxon_gateway.plugins"
MODULE = "gateway_plugin_{}"  # what a plugin of the user's folder is called among modules
SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Source:
    """One plugin at its place. `origin` says that to people; `load` imports it and returns what is called `plugin` there; `module`
    is then the name of what all its code lies in.
    """

    name: str
    origin: str
    load: Callable[[], Any]
    module: str


class Sources:
    """All that can be switched on. `folder`: `[gateway] plugins_dir`."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._found: dict[str, list[Source]] = {}
        for source in (*_shipped(), *_dropped(folder), *_installed()):
            self._found.setdefault(source.name, []).append(source)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._found))

    def problem(self) -> str | None:
        """What is wrong with the folder."""
        folder = self._folder
        if folder is None:
            return None
        try:
            mode = folder.stat().st_mode
            if stat.S_ISDIR(mode):
                next(folder.iterdir(), None)
        except OSError as exc:
            return (
                f"[gateway] plugins_dir {folder} cannot be read ({exc.strerror}): make the folder, or leave the key out"
            )
        if not stat.S_ISDIR(mode):
            return f"[gateway] plugins_dir {folder} is no folder"
        if mode & stat.S_IWOTH:
            return f"[gateway] plugins_dir {folder} can be written by everybody, and what is there is run: chmod o-w {folder}"
        return None

    def origin(self, name: str) -> str | None:
        """Where it lies; all of its places when there are several."""
        return " and ".join(source.origin for source in self._found.get(name, ())) or None

    def plugin(self, name: str) -> Plugin[Any]:
        """Raises NotFound when there is none of that name; StartupError when there are two, when it is for another version of us,
        when it is none; and whatever its import raises.
        """
        found = self._found.get(name, [])
        if not found:
            hint = f"; {told}" if (told := self.problem()) else ""
            raise NotFound(f'there is no plugin "{name}"; known here: {", ".join(self) or "none"}{hint}')
        if len(found) > 1:
            raise StartupError(f'two plugins are called "{name}": {self.origin(name)}. Give one of them another name')
        plugin = found[0].load()
        if not isinstance(plugin, Plugin):
            raise StartupError(
                f"{found[0].origin}: its `plugin` is no gateway.plugin_api.Plugin but {type(plugin).__name__}"
            )
        if plugin.version != VERSION:
            raise StartupError(f"it was written for version {plugin.version} of gateway.plugin_api, this is {VERSION}")
        return plugin

    def root(self, name: str) -> Path:
        """Where the code of one that is loaded lies: a folder, or a single file."""
        file = Path(sys.modules[self._found[name][0].module].__file__ or "/nowhere")
        return file.parent if file.name == "__init__.py" else file


def shipped() -> list[str]:
    return sorted(one.name for one in pkgutil.iter_modules(importlib.import_module(PACKAGE).__path__) if one.ispkg)


def _shipped() -> Iterator[Source]:
    for name in shipped():
        yield Source(name, SHIPPED, partial(_plugin_of, f"{PACKAGE}.{name}"), f"{PACKAGE}.{name}")


def _dropped(folder: Path | None) -> Iterator[Source]:
    """Folders that can be imported. None at all from a folder that everybody can write to."""
    try:
        found = [] if folder is None or folder.stat().st_mode & stat.S_IWOTH else sorted(folder.iterdir())
    except OSError:  # `problem` says why
        return
    for one in found:
        if one.name.isidentifier() and (one / "__init__.py").is_file():
            yield Source(one.name, str(one), partial(_imported, one), MODULE.format(one.name))


def _installed() -> Iterator[Source]:
    for point in importlib.metadata.entry_points(group=GROUP):
        module, _, attribute = point.value.partition(":")
        about = f"package {point.dist.name} {point.dist.version}" if point.dist else f"package of {module}"
        yield Source(point.name, about, partial(_plugin_of, module, attribute), module.partition(".")[0])


def _imported(folder: Path) -> Any:
    """Once, and under a name of its own: two plugins may both have a `client.py`."""
    name, file = MODULE.format(folder.name), folder / "__init__.py"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(file):
        return known.plugin
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise StartupError(f"{folder} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    with contextlib.ExitStack() as undone:
        undone.callback(sys.modules.pop, name)
        sys.modules[name] = module  # before it runs: it may import its own files
        spec.loader.exec_module(module)
        undone.pop_all()
    return module.plugin


def _plugin_of(module: str, attribute: str = "") -> Any:
    return getattr(importlib.import_module(module), attribute or "plugin")
