"""Few-shot: show three seed examples and ask for one more task; the baseline that stands below every other method."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._few_shot import FewShot, few_shot_rows

FIDELITY = (
    Component(
        name="three demonstrations", state="changed", note="prompts alone: answers come from the shared answerer"
    ),
    Component(name="demand for a different idea", state="present"),
    Component(name="demand for something much harder", state="changed", note="a dial, off: it moves complexity"),
    Component(name="theme keyword", state="absent", note="no method but those about topics is told a theme"),
    Component(name="format tags", state="changed", note="a list of one item, as the other methods ask for"),
    Component(name="temperature 1", state="present", note="for prompts; answers are greedy, as for every method here"),
    Component(name="exact copies dropped", state="changed", note="assumed; also copies of seed examples"),
    Component(name="seeds in the training set", state="absent", note="no method mixes seed examples into its rows"),
)


@dataclass(frozen=True)
class Params:
    """What is shown, how much is demanded, and the temperature."""

    shown: int = dial(3, "seed examples shown")
    much_harder: bool = dial(False, "asks for a task much harder than those shown", "complexity+")
    temperature: float = dial(1.0, "temperature of the one who writes prompts", "diversity+")


@method(
    name="few_shot", version=1, reference="arXiv:2412.03679", params=Params, fidelity=FIDELITY,
    summary="Show three seed examples, ask for one task that rests on another idea, and have it answered.",
    intents=("propose", "answer"), cost=Cost(calls={"propose": 1.1, "answer": 1.0}),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield answered prompts, one a call; what is shown is drawn alike for all methods that use this stream."""
    template = "much_harder" if params.much_harder else "few_shot"
    yield from few_shot_rows(ctx, FewShot(shown=params.shown, template=template, temperature=params.temperature))
