"""A checkpoint of a local or student teacher: its options, its folder or name on the hub, its digest, its loading."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from qdcbench.errors import ConfigError, TeacherError, did_you_mean
from qdcbench.records import TeacherSpec
from qdcbench.records.json import sentence_of

if TYPE_CHECKING:
    from qdcbench.teachers.in_process.sampling import LanguageModel

__all__ = ["OPTIONS", "Checkpoint", "LocalOptions", "checkpoint_of", "digest_of", "local_options", "pinned"]

_PARTS = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model", "additional_chat_templates/*.jinja")
"""Files of a checkpoint that can change an answer; logs, optimizer states and pickled weights are never read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalOptions:
    """How a language model is run in this process.

    ``dtype`` auto is bfloat16 on CUDA and float32 on the CPU. ``batch_size`` counts prompts, ``max_prompt_tokens`` is
    the longest prompt that is not refused (default: what the model has places for). ``chat_template`` replaces the
    tokenizer's. ``sha256`` is the digest of a folder, added when a suite is read; ``revision`` a commit on the hub.
    """

    revision: str = ""
    sha256: str = ""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    batch_size: int = 16
    max_prompt_tokens: int | None = None
    chat_template: str = ""


OPTIONS: Mapping[str, tuple[str, ...]] = {
    "local": ("revision", "sha256", "dtype", "device", "batch_size", "max_prompt_tokens", "chat_template"),
    "student": ("sha256", "dtype", "device", "batch_size", "max_prompt_tokens"),
}


def local_options(spec: TeacherSpec) -> LocalOptions:
    """Read the options of a local or student teacher.

    Raises:
        ConfigError: an unknown option, or a value out of range.
    """
    where, known = f"teacher {spec.name}", OPTIONS[spec.kind]
    for name in spec.options:
        if name not in known:
            raise ConfigError(f"{where} has the unknown option {name!r}; {did_you_mean(name, known)}")
    try:
        options: LocalOptions = TypeAdapter(LocalOptions).validate_python(dict(spec.options))
    except ValidationError as error:
        raise ConfigError(f"{where}: {sentence_of(error)}") from None
    for name in ("batch_size", "max_prompt_tokens"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ConfigError(f"{where}: {name} is {value} and must be at least 1")
    return options


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Where the weights are: a ``folder``, else a ``name`` on the hub, and the digest that a spec promises."""

    label: str
    folder: Path | None
    name: str
    options: LocalOptions

    def load(self) -> "LanguageModel":
        """Return the model, loaded at most once for all teachers of a process that use it.

        Raises:
            TeacherError: there is no such checkpoint, or it is not the one that was planned with.
        """
        if self.folder is None:
            return self._load(self.name, self.options.revision or None)
        if not self.folder.is_dir():
            raise TeacherError(f"{self.label}: there is no folder {self.folder}; correct the path")
        found = digest_of(self.folder)
        if self.options.sha256 and found != self.options.sha256:
            raise TeacherError(
                f"{self.label}: {self.folder} changed since the suite was read (its digest was "
                f"{self.options.sha256[:12]} and is {found[:12]}); plan the suite again"
            )
        return self._load(str(self.folder), found)

    def _load(self, source: str, state: str | None) -> "LanguageModel":
        import torch

        device, dtype = self.options.device, self.options.dtype
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto":
            dtype = "bfloat16" if device.startswith("cuda") else "float32"
        try:
            with _LOADING:
                return _loaded(source, state, device, dtype)
        except Exception as error:  # the loaders of a dozen libraries have no error in common
            raise TeacherError(f"{self.label}: {_why(error, source, self.folder is not None, device)}") from None


def checkpoint_of(spec: TeacherSpec, base: Path) -> Checkpoint:
    """Find the checkpoint that a spec names; relative paths start from ``base``.

    Raises:
        ConfigError: a wrong option, a folder that holds no checkpoint, or none where only a folder can be meant.
    """
    options = local_options(spec)
    label = f"teacher {spec.name}"
    folder = base / Path(spec.model).expanduser()
    if folder.is_dir():
        if options.revision:
            raise ConfigError(f"{label}: revision is for names on the hub, and {folder} is a folder; leave it out")
        if not (folder / "config.json").is_file():
            raise ConfigError(f"{label}: {folder} holds no checkpoint (no config.json); name the folder that does")
        return Checkpoint(label=label, folder=folder, name="", options=options)
    # With the digest, recorded answers can be used where the weights are not.
    if options.sha256:
        return Checkpoint(label=label, folder=folder, name="", options=options)
    if spec.kind == "student" or spec.model.startswith((".", "/", "~")) or spec.model.count("/") > 1:
        raise ConfigError(f"{label}: there is no folder {folder}; correct the path")
    return Checkpoint(label=label, folder=None, name=spec.model, options=options)


def pinned(spec: TeacherSpec, base: Path) -> TeacherSpec:
    """Return the spec with the digest of its folder, so that an overwritten checkpoint is another teacher.

    Raises:
        ConfigError: as for `checkpoint_of`, or the folder does not have the digest that the spec gives.
    """
    checkpoint = checkpoint_of(spec, base)
    if checkpoint.folder is None or not checkpoint.folder.is_dir():
        return spec
    found = digest_of(checkpoint.folder)
    if checkpoint.options.sha256 not in {"", found}:
        raise ConfigError(
            f"{checkpoint.label}: the digest of {checkpoint.folder} is {found}, and sha256 is "
            f"{checkpoint.options.sha256}; it was overwritten, so leave sha256 out or restore the checkpoint"
        )
    return replace(spec, options={**spec.options, "sha256": found})


def digest_of(folder: Path) -> str:
    """Return the SHA-256 over configuration, weights and tokenizer, as 64 hexadecimal digits."""
    files = sorted({path for part in _PARTS for path in folder.glob(part) if path.is_file()})
    total = hashlib.sha256()
    for path in files:
        facts = path.stat()
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        total.update(_file_digest(path.resolve(), facts.st_size, facts.st_mtime_ns))
    return total.hexdigest()


@cache
def _file_digest(path: Path, size: int, changed: int) -> bytes:
    """Digest a file once for each of its states, for weights are large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


_LOADING = Lock()
"""transformers loads under settings of the whole process: two loadings at once left tied weights untied."""


@lru_cache(maxsize=2)
def _loaded(source: str, state: str | None, device: str, dtype: str) -> "LanguageModel":
    """Load a checkpoint; two are kept, so that writer and judge, or two members, need no second loading.

    ``state`` is a folder's digest or a revision on the hub: an overwritten folder is loaded again.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    from qdcbench.teachers.in_process.sampling import LanguageModel

    disable_progress_bar()
    local = Path(source).is_dir()
    options: dict[str, Any] = {"local_files_only": local, "revision": None if local else state}
    tokenizer = AutoTokenizer.from_pretrained(source, **options)
    with torch.random.fork_rng(devices=[]):
        model, found = AutoModelForCausalLM.from_pretrained(
            source, dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True, **options
        )
    # The loader fills gaps with random numbers, and such a model answers otherwise each time it is loaded.
    lacking = sorted(map(str, {*found["missing_keys"], *found["mismatched_keys"]}))
    if lacking:
        raise ValueError(f"its weights lack {', '.join(lacking[:3])}")
    return LanguageModel(model.to(device).eval(), tokenizer)


def _why(error: Exception, source: str, local: bool, device: str) -> str:
    """Return the cause of a failed loading and what to do."""
    said = " ".join(str(error).split())[:300]
    if "out of memory" in said or "allocate memory" in said:
        return f"there is not enough memory for the model on {device}; use a smaller one or a server (openai:...)"
    if local:
        return f"{source} cannot be loaded as a causal language model ({said}); save it with save_pretrained"
    if isinstance(error, OSError):
        return (
            f"{source} is no folder here and was not found in the Hugging Face cache or on the hub; "
            f"correct the name, or download it while online with: hf download {source}"
        )
    return f"{source} cannot be loaded as a causal language model on {device} ({said})"
