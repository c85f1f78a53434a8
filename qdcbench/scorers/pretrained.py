"""Pretrained models that scorers read with: any of Hugging Face by folder or name, safetensors and no code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qdcbench.errors import ConfigError, DataError
from qdcbench.teachers.in_process.checkpoint import digest_of

__all__ = ["ModelOptions", "Pretrained", "load_pretrained", "plain"]

Kind = Literal["causal", "classifier"]

_CLASSES = {"causal": "AutoModelForCausalLM", "classifier": "AutoModelForSequenceClassification"}
_WORDS = {"causal": "a causal language model", "classifier": "a sequence classifier"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOptions:
    """How a pretrained model is run.

    ``dtype`` auto is bfloat16 on CUDA and float32 on the CPU. ``longest`` is the number of tokens of one row that are
    read at most, less where the model has places for fewer. ``batch_bytes`` bounds the scores of one batch in 32 bits,
    a row's own apart. ``revision`` is a commit on the hub.
    """

    revision: str = ""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    longest: int = 2048
    batch_bytes: int = 256 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Pretrained:
    """A loaded model in evaluation mode; ``identity`` says which weights these are."""

    model: Any
    tokenizer: Any
    identity: str
    longest: int
    batch_bytes: int

    @property
    def device(self) -> Any:
        """Where it runs."""
        return self.model.device


def load_pretrained(kind: Kind, source: str, options: ModelOptions | None = None) -> Pretrained:
    """Load a model and its tokenizer from a folder, else by its name in the local cache or on the hub.

    Nothing is executed that comes with the weights: only safetensors are read, and code on the hub is not trusted.

    Raises:
        ConfigError: an option is out of range, or a revision is given for a folder.
        DataError: there is no such model, it is of another kind, or its weights are not complete.
    """
    options = options or ModelOptions()
    folder = Path(source).expanduser()
    if options.longest < 2 or options.batch_bytes < 1:
        raise ConfigError("a scorer's model needs longest of at least 2 tokens and batch_bytes of at least 1")
    if folder.is_dir() and options.revision:
        raise ConfigError(f"revision is for names on the hub, and {folder} is a folder; leave it out")
    if not folder.is_dir() and (source.startswith((".", "/", "~")) or source.count("/") > 1):
        raise DataError(f"there is no folder {folder} with {_WORDS[kind]}; correct the path")
    try:
        model, tokenizer = _loaded(kind, str(folder) if folder.is_dir() else source, options, local=folder.is_dir())
    except Exception as error:  # the loaders of a dozen libraries have no error in common
        said = " ".join(str(error).split())[:300]
        hint = "save it with save_pretrained" if folder.is_dir() else f"correct the name, or: hf download {source}"
        raise DataError(f"{source} cannot be loaded as {_WORDS[kind]} ({said}); {hint}") from None
    identity = f"{folder.name}:{digest_of(folder)[:16]}" if folder.is_dir() else f"{source}@{_commit(model, options)}"
    return Pretrained(
        model=model,
        tokenizer=tokenizer,
        identity=identity,
        longest=min(options.longest, _places(model)),
        batch_bytes=options.batch_bytes,
    )


def _loaded(kind: Kind, source: str, options: ModelOptions, *, local: bool) -> tuple[Any, Any]:
    import torch
    import transformers
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    device, dtype = options.device, options.dtype
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    where: dict[str, Any] = {"local_files_only": local, "revision": options.revision or None}
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False, **where)
    with torch.random.fork_rng(devices=[]):
        model, found = getattr(transformers, _CLASSES[kind]).from_pretrained(
            source,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **where,
        )
    # The loader fills gaps with random numbers: a language model has no trained head to classify with.
    lacking = sorted(map(str, {*found["missing_keys"], *found["mismatched_keys"]}))
    if lacking:
        raise ValueError(f"its weights lack {', '.join(lacking[:3])}")
    return model.to(device).eval(), tokenizer


def _commit(model: Any, options: ModelOptions) -> str:
    return str(getattr(model.config, "_commit_hash", None) or options.revision or "unknown")


def _places(model: Any) -> int:
    """Tokens that a model has places for; without a limit of its own, more than anybody reads."""
    places = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return places if isinstance(places, int) and places > 0 else 2**20


def plain(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no tokenizer reads."""
    return text.encode("utf-8", "replace").decode("utf-8")
