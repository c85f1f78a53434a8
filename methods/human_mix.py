"""Human mix: a share of real rows among few-shot ones, at a fixed number of rows.

After "A Little Human Data Goes A Long Way" (2410.13098), on eight sets for fact checking and question answering:
replacing up to 90 % of the human rows by synthetic ones costs little and the last 10 % a lot; a training set of
synthetic rows alone gains reliably from as few as 125 human ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qdcbench.api import Component, Cost, DataError, Example, GenerationContext, PluginError, dial, method

from ._few_shot import FewShot, few_shot_rows

FIDELITY = (
    Component(name="a share of human rows, size fixed", state="present", note="any share from 0 to 1, in random order"),
    Component(name="human rows", state="changed",
              note="the task's reference rows; without any its seed examples, and few-shot rows once they are used up"),
    Component(name="few-shot generation", state="changed", note="the shared baseline's rows, by the suite's teacher"),
    Component(name="fine-tuning with LoRA", state="changed", note="the suite's probe"),
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """How much of the data is real."""

    share: float = dial(0.1, "share of real rows, from 0 to 1", "cost-")


def _real(ctx: GenerationContext) -> Iterator[Example]:
    """The task's reference rows; its seed examples where it has none."""
    used = 0
    try:
        while rows := ctx.reference_rows(used + ctx.remaining)[used:]:
            used += len(rows)
            yield from rows
    except DataError:
        yield from ctx.seed_examples


@method(
    name="human_mix", version=1, reference="arXiv:2410.13098", params=Params, fidelity=FIDELITY, role="control",
    summary="A share of real rows among the few-shot baseline's, at a fixed number of rows.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 1.0, "answer": 0.9}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rows with the exact share in every stretch of as many as are aimed for; lineage says which are real."""
    if not 0 <= params.share <= 1:
        raise PluginError(f"human_mix: share must be from 0 to 1, not {params.share}")
    real, made = _real(ctx), few_shot_rows(ctx, FewShot())
    while True:
        places = set(ctx.rng.sample(range(ctx.remaining), round(params.share * ctx.remaining)))
        for place in range(ctx.remaining):
            row, source = (next(real, None) if place in places else None), "real"
            if row is None:
                row, source = next(made, None), "few_shot"
            if row is None:
                return
            yield replace(row, lineage={"source": source})
