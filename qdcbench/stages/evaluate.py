"""Score a probe on the held-out sets of a task, through lm-eval. The only module that imports lm-eval.

Every held-out set becomes two lm-eval tasks: greedy answers compared to the right ones (`exact_match`), and how
improbable the right answer is to the probe (`answer_nll`, nats per word). The YAML files in `tasks/lm_eval` say
the same for the plain `lm_eval` command line; a test holds the two together.
"""

import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

from datasets import Dataset, DatasetDict
from lm_eval import evaluator
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from qdcbench.api import HeldOut
from qdcbench.errors import DataError
from qdcbench.probes.score import generate, log_likelihoods
from qdcbench.probes.train import prompt_text
from qdcbench.records import Score

__all__ = ["Evaluation", "evaluate"]

_NLL = "_nll"
_QUIET = ("lm_eval", "lm-eval", "datasets")
# For a mean lm-eval takes the formula for its standard error; any number above nought asks for it.
_ASK_FOR_STDERR = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Scores of one probe, and the outcome of every item for each (eval task, metric)."""

    scores: tuple[Score, ...]
    outcomes: Mapping[tuple[str, str], tuple[float, ...]]


class _ProbeLM(LM):  # type: ignore[misc]
    """A probe as lm-eval wants to see it."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self._model, self._tokenizer = model, tokenizer

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Log-likelihood of each continuation, and whether it is the greedy one."""
        found = log_likelihoods(self._model, self._tokenizer, [request.args for request in requests])
        return [(value, greedy) for value, greedy, _ in found]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """No task of ours asks for it."""
        raise NotImplementedError("a probe is scored on answers, not on whole texts")

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """The greedy answer to each prompt, cut at the first stop text."""
        limits = {int(request.args[1]["max_gen_toks"]) for request in requests}
        texts = generate(
            self._model, self._tokenizer, [request.args[0] for request in requests], max_new_tokens=max(limits)
        )
        for number, request in enumerate(requests):
            for stop in request.args[1]["until"]:
                texts[number] = texts[number].split(stop)[0]
        return texts


# Functions, because lm-eval compiles a template anew for every item.
def _prompt(doc: Mapping[str, Any]) -> str:
    return prompt_text(doc["prompt"])


def _answer(doc: Mapping[str, Any]) -> str:
    return str(doc["answer"])


def _answer_nll(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    return {"answer_nll": -results[0][0] / max(1, len(doc["answer"].split()))}


def _configs(name: str, version: int, items: Dataset, max_new_tokens: int) -> list[dict[str, Any]]:
    """The two lm-eval tasks of one held-out set."""
    common: dict[str, Any] = {
        "custom_dataset": lambda **_: DatasetDict({"test": items}),
        "test_split": "test",
        "doc_to_text": _prompt,
        "doc_to_target": _answer,
        "target_delimiter": " ",
        "num_fewshot": 0,
        "metadata": {"version": version},
    }
    strict = [{"function": "remove_whitespace"}, {"function": "take_first"}]
    exact = {
        "task": name,
        "output_type": "generate_until",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": max_new_tokens},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "filter_list": [{"name": "strict", "filter": strict}],
    }
    nll = {
        "task": name + _NLL,
        "output_type": "loglikelihood",
        "process_results": _answer_nll,
        "metric_list": [{"metric": "answer_nll", "aggregation": "mean", "higher_is_better": False}],
    }
    return [common | exact, common | nll]


def _spoken(tokenizer: Any, answer: str) -> str:
    """The right answer as this probe's tokenizer can say it: a word-level one has neither capitals nor marks."""
    return str(tokenizer.decode(tokenizer(answer)["input_ids"], skip_special_tokens=True)).strip()


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and only errors in the log, for as long as lm-eval works."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _number(value: object) -> float | None:
    """What lm-eval reports as a number; `N/A` and the like as None."""
    return float(value) if isinstance(value, int | float) and value == value else None


def _scores(results: Mapping[str, Any], repetition: int) -> Iterator[Score]:
    """lm-eval's `metric,filter` keys as records."""
    for name, found in results["results"].items():
        for key, value in found.items():
            metric, comma, filtered = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            number = _number(value)
            yield Score(
                probe_repetition=repetition,
                eval_task=name.removesuffix(_NLL),
                eval_version=str(results["versions"][name]),
                metric=metric,
                filter=filtered,
                value=number,
                stderr=_number(found.get(f"{metric}_stderr,{filtered}")),
                n=results["n-samples"][name]["effective"],
                reason="" if number is not None else f"lm-eval gave {value!r}",
            )


def _outcomes(samples: Mapping[str, Any]) -> dict[tuple[str, str], tuple[float, ...]]:
    """What each item gave, in the order of the held-out set."""
    outcomes = {}
    for name, rows in samples.items():
        ordered = sorted(rows, key=lambda row: int(row["doc_id"]))
        for metric in ordered[0]["metrics"]:
            outcomes[name.removesuffix(_NLL), metric] = tuple(float(row[metric]) for row in ordered)
    return outcomes


def evaluate(
    model: Any,
    tokenizer: Any,
    held_out: Sequence[HeldOut],
    *,
    task: str,
    version: int,
    probe_repetition: int = 0,
    max_new_tokens: int = 16,
) -> Evaluation:
    """Score a probe on every held-out set; names of eval tasks are `<task>_<held-out set>`."""
    configs: list[dict[str, Any]] = []
    for part in held_out:
        if not part.items:
            raise DataError(f"held-out set {part.name} of task {task} has no items")
        answers = [_spoken(tokenizer, item.completion) for item in part.items]
        rows = {"prompt": [item.prompt for item in part.items], "answer": answers}
        configs += _configs(f"{task}_{part.name}", version, Dataset.from_dict(rows), max_new_tokens)
    with _quiet():
        tasks = TaskManager(include_defaults=False).load(configs)
        results = evaluator.evaluate(_ProbeLM(model, tokenizer), tasks, bootstrap_iters=_ASK_FOR_STDERR)
    if results is None:
        raise DataError(f"lm-eval gave no results for task {task}")
    return Evaluation(scores=tuple(_scores(results, probe_repetition)), outcomes=_outcomes(results["samples"]))
