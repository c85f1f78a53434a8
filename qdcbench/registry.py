"""Discover methods and tasks, keep the broken ones with their sentence, explain the missing ones."""

import ast
import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from qdcbench.api import MethodPlugin, Task
from qdcbench.canon import plain
from qdcbench.errors import ConfigError, PluginError, did_you_mean
from qdcbench.records.json import sentence_of

__all__ = ["Broken", "Entry", "Registry", "default_params", "discover", "resolve_params"]

Kind = Literal["method", "task"]
P = TypeVar("P")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry(Generic[P]):
    """A plugin that loaded, with the files that make it and their digest."""

    name: str
    plugin: P
    path: Path
    prompts: Path | None
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A plugin that did not load, and why."""

    kind: Kind
    name: str
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """All plugins of this process."""

    methods: Mapping[str, Entry[MethodPlugin]]
    tasks: Mapping[str, Entry[Task]]
    broken: tuple[Broken, ...] = ()
    folders: tuple[Path, ...] = field(default=())

    def method(self, name: str) -> Entry[MethodPlugin]:
        """Return a method; raises ConfigError (unknown, with the nearest names) or PluginError (broken)."""
        return self._find("method", name, self.methods)

    def task(self, name: str) -> Entry[Task]:
        """Return a task; raises ConfigError (unknown, with the nearest names) or PluginError (broken)."""
        return self._find("task", name, self.tasks)

    def _find(self, kind: Kind, name: str, known: Mapping[str, Entry[P]]) -> Entry[P]:
        if name in known:
            return known[name]
        for item in self.broken:
            if item.kind == kind and item.name == name:
                raise PluginError(f"{kind} {name!r} is broken: {item.sentence}")
        raise ConfigError(f"there is no {kind} {name!r}; {did_you_mean(name, known)}")


def _digest_files(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _siblings(path: Path) -> list[Path]:
    """Return the files beginning with _ that a plugin imports from its own folder, directly or through one another.

    Only these count for its digest, so that editing what one method uses leaves the runs of the others as they were.
    """
    found: dict[str, Path] = {}
    waiting = [path]
    while waiting:
        tree = ast.parse(waiting.pop().read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                for name in names:
                    file = path.parent / f"{name}.py"
                    if file.is_file() and name not in found:
                        found[name] = file
                        waiting.append(file)
    return [found[name] for name in sorted(found)]


def _is_marked(value: Any, kind: Kind) -> bool:
    if kind == "method":
        return isinstance(value, MethodPlugin)
    return isinstance(value, type) and "__qdcbench_task__" in vars(value)


def _plugin_in(module: ModuleType, kind: Kind, name: str) -> Any:
    found: list[Any] = [value for value in vars(module).values() if _is_marked(value, kind)]
    if len(found) != 1:
        raise PluginError(f"the file holds {len(found)} objects marked @{kind}; exactly one is expected")
    called = found[0].name
    if called.rpartition("/")[2] != name:
        raise PluginError(f"the {kind} calls itself {called!r} but the file is {name}.py; make them equal")
    return found[0] if kind == "method" else found[0]()


def _load(kind: Kind, name: str, module: ModuleType) -> Entry[Any]:
    plugin = _plugin_in(module, kind, name)
    path = Path(module.__file__ or "")
    if kind == "method":
        prompts = path.parent / "prompts" / f"{name}.toml"
        texts = [file for file in (prompts, prompts.parent / "_shared.toml") if file.is_file() and prompts.is_file()]
        files = [path, *_siblings(path), *texts]
        return Entry(name=plugin.name, plugin=plugin, path=path, prompts=prompts if prompts.is_file() else None,
                     sha256=_digest_files(files))  # fmt: skip
    files = [path, *_siblings(path)]
    return Entry(name=plugin.name, plugin=plugin, path=path, prompts=None, sha256=_digest_files(files))


def _import_file(kind: Kind, path: Path) -> ModuleType:
    # A private folder's modules get a package of their own so that siblings beginning with _ can be imported.
    package = f"qdcbench_private_{kind}s_{hashlib.sha256(str(path.parent.resolve()).encode()).hexdigest()[:8]}"
    if package not in sys.modules:
        holder = ModuleType(package)
        holder.__path__ = [str(path.parent)]
        sys.modules[package] = holder
    return importlib.import_module(f"{package}.{path.stem}")


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


class _Collector:
    """Gathers entries of one kind; a second plugin of the same name is reported, never renamed."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.entries: dict[str, Entry[Any]] = {}
        self.broken: list[Broken] = []

    def add(self, name: str, source: Any) -> None:
        """Load one plugin; ``source`` returns its module when called. Any error makes it broken, not fatal."""
        try:
            entry = _load(self.kind, name.rpartition("/")[2], source())
            if entry.name in self.entries:
                raise PluginError(f"the name {entry.name!r} is taken by {self.entries[entry.name].path}")
            self.entries[entry.name] = entry
        except (Exception, SystemExit) as error:  # a plugin may raise anything while it is imported
            self.broken.append(Broken(kind=self.kind, name=name, sentence=_sentence(error)))


def _collect(kind: Kind, folders: Sequence[Path]) -> _Collector:
    collector = _Collector(kind)
    package = importlib.import_module(f"qdcbench.{kind}s")
    for found in pkgutil.iter_modules(package.__path__):
        if not found.name.startswith("_") and not found.ispkg:
            collector.add(found.name, lambda name=found.name: importlib.import_module(f"{package.__name__}.{name}"))
    for folder in folders:
        inside = folder / f"{kind}s" if (folder / f"{kind}s").is_dir() else folder
        for path in sorted(inside.glob("*.py")):
            # A flat private folder may hold both kinds; the decorator's name in the text tells which.
            if not path.name.startswith("_") and f"@{kind}" in path.read_text(encoding="utf-8", errors="replace"):
                collector.add(path.stem, lambda path=path: _import_file(kind, path))
    for point in metadata.entry_points(group=f"qdcbench.{kind}s"):
        collector.add(point.name, lambda point=point: importlib.import_module(point.module))
    return collector


def discover(folders: Sequence[Path] = ()) -> Registry:
    """Load every plugin: the package's own, those of private ``folders``, those of installed packages.

    Raises:
        ConfigError: a private folder does not exist.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"the plugin folder {folder} does not exist")
    methods, tasks = _collect("method", folders), _collect("task", folders)
    return Registry(
        methods=methods.entries,
        tasks=tasks.entries,
        broken=(*methods.broken, *tasks.broken),
        folders=tuple(folder.resolve() for folder in folders),
    )


def default_params(plugin: MethodPlugin) -> dict[str, Any]:
    """Return the defaults of a method's ``Params`` as plain JSON values; a field without one is None."""
    found: dict[str, Any] = {}
    for f in fields(plugin.params):
        made = f.default_factory() if f.default_factory is not MISSING else f.default
        found[f.name] = None if made is MISSING else plain(made)
    return found


def resolve_params(plugin: MethodPlugin, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the method's ``Params`` with defaults filled in, as an object and as plain values.

    Raises:
        ConfigError: unknown names (with the nearest ones) and wrong types, all at once.
        PluginError: a field has no default.
    """
    names = [f.name for f in fields(plugin.params)]
    bare = [f.name for f in fields(plugin.params) if f.default is MISSING and f.default_factory is MISSING]
    missing = [name for name in bare if name not in given]
    wrong = [f"{name!r} is no parameter, {did_you_mean(name, names)}" for name in given if name not in names]
    wrong += [f"{name!r} has no default and must be given" for name in missing]
    if not wrong:
        try:
            value = TypeAdapter(plugin.params).validate_python(dict(given))
            return value, asdict(cast(Any, value))
        except ValidationError as error:
            wrong.append(sentence_of(error))
        except (TypeError, ValueError) as error:
            wrong.append(str(error))
    raise ConfigError(f"method {plugin.name!r}: {'; '.join(wrong)}")
