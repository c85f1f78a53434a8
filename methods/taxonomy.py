"""Taxonomy of topics (after Simula): expand what the data may be about, draw from it, write, complicate, criticise."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, method

from ._replies import BATCH, PATIENCE, answers, first_item, numbered, says_yes, unanswered

FIDELITY = (
    Component(name="factors of variation", state="present", note="the first level of the tree"),
    Component(name="taxonomy by levels, best of n", state="present", note="the lists of all proposals are joined"),
    Component(name="critic of topics", state="changed", note="only removes; does not add, merge or edit"),
    Component(name="plan for each level", state="absent", note="optional in the paper"),
    Component(name="sampling of topics (global)", state="changed", note="uniform over the leaves of each factor"),
    Component(name="several scenarios, one chosen (local)", state="present"),
    Component(name="complexified share", state="present"),
    Component(name="critic of requirements", state="absent", note="its part is left to the double critic"),
    Component(name="double critic", state="present", note="called correct and not incorrect; no repair"),
    Component(name="no seeds", state="changed", note="the shared answerer sees three seed examples"),
)

Path = tuple[str, ...]


@dataclass(frozen=True)
class Params:
    """Levels below the factors, proposals joined, and a switch or share for each of the paper's parts."""

    depth: int = 2
    proposals: int = 2
    critic_of_topics: bool = True
    global_topics: bool = True
    local_scenarios: bool = True
    scenarios: int = 3
    complexify: float = 0.5
    critic: bool = True
    temperature: float = 1.0


def _children(ctx: GenerationContext, paths: list[Path], params: Params) -> list[Path]:
    """Children of all paths of one level, joined over the proposals and criticised."""
    asked = [path for path in paths for _ in range(params.proposals)]
    materials = [{"description": ctx.description, "path": list(path), "level": len(path)} for path in asked]
    texts = ctx.teacher.ask_many("expand", materials, temperature=params.temperature)
    found = dict.fromkeys((*path, item) for path, text in zip(asked, texts, strict=True) for item in numbered(text))
    if not params.critic_of_topics or not found:
        return list(found)
    checks = [{"question": "sound", "topic": path[-1], "description": ctx.description} for path in found]
    verdicts = ctx.judge.ask_many("classify", checks, template="sound", temperature=0.0)
    return [path for path, text in zip(found, verdicts, strict=True) if says_yes(text)]


def _leaves(ctx: GenerationContext, params: Params) -> list[list[Path]]:
    """The leaves of the taxonomy, grouped by factor."""
    levels: list[list[Path]] = [[()]]
    for _ in range(params.depth + 1 if params.global_topics else 0):
        levels.append(_children(ctx, levels[-1], params))
    inner = {path[:-1] for level in levels for path in level}
    leaves = [path for level in levels for path in level if path and path not in inner]
    return [[path for path in leaves if path[0] == factor] for factor in dict.fromkeys(path[0] for path in leaves)]


def _written(ctx: GenerationContext, topics: list[list[str]], params: Params) -> list[list[str]]:
    """For each set of topics a prompt, one of several scenarios, and how it was made; a share is made harder."""
    count = params.scenarios if params.local_scenarios else 1
    asked: list[dict[str, object]] = [{"description": ctx.description, "topics": t, "count": count} for t in topics]
    texts = ctx.teacher.ask_many("propose", asked, temperature=params.temperature)
    made = [[ctx.rng.choice(numbered(text) or [first_item(text)]), "propose"] for text in texts]
    chosen = [item for item in made if ctx.rng.random() < params.complexify]
    asked = [{"description": ctx.description, "operator": "deepen", "prompt": prompt} for prompt, _ in chosen]
    texts = ctx.teacher.ask_many("evolve", asked, temperature=params.temperature)
    for item, text in zip(chosen, texts, strict=True):
        item[:] = first_item(text), "complexify"
    return made


def _doubted(ctx: GenerationContext, made: list[list[str]], completions: list[str]) -> list[bool]:
    """Ask of every row whether it is correct and, apart, whether it is incorrect; only yes and no together clear it."""
    verdicts = []
    for question in ("correct", "incorrect"):
        shared = {"description": ctx.description, "question": question}
        asked = [shared | {"prompt": p, "completion": c} for (p, _), c in zip(made, completions, strict=True)]
        verdicts.append(ctx.judge.ask_many("judge", asked, template=question, temperature=0.0))
    return [not says_yes(good) or says_yes(bad) for good, bad in zip(*verdicts, strict=True)]


@method(
    name="taxonomy", version=1, reference="arXiv:2603.29791", params=Params, fidelity=FIDELITY,
    summary="Expand a taxonomy of topics, draw from its leaves, write, complicate a share, keep what two critics pass.",
    intents=("expand", "classify", "propose", "evolve", "answer", "judge"),
    cost=Cost(calls={"propose": 1.4, "evolve": 0.7, "answer": 1.4, "judge": 2.7}, setup_calls=190),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield rows whose topics are drawn uniformly from the leaves of each factor."""
    factors = _leaves(ctx, params)
    idle = 0
    while idle < PATIENCE:
        idle += 1
        topics = [[ctx.rng.choice(paths)[-1] for paths in factors] for _ in range(BATCH)]
        made = _written(ctx, topics, params)
        completions = answers(ctx, [prompt for prompt, _ in made])
        doubts = _doubted(ctx, made, completions) if params.critic else [False] * len(made)
        for (prompt, operator), completion, labels, doubt in zip(made, completions, topics, doubts, strict=True):
            lineage = {"topic": " | ".join(labels), "operator": operator}
            if reason := unanswered(prompt, completion) or ("double critic" if doubt else ""):
                ctx.reject(prompt, reason, completion=completion, lineage=lineage)
                continue
            idle = 0
            yield Example(prompt=prompt, completion=completion, lineage=lineage)
