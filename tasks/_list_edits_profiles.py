"""The numbers of the scripted teacher of list_edits: two profiles, each number with its source.

Public names: `Profile`, `STRONG`, `WEAK`, `PROFILES`, `document`, `rewritten`. Run as a module with the path of
``docs/scripted_teacher.md``, it writes that page's table anew. Sources are papers by arXiv id; "assumed" is our own
choice. No number was fitted to a probe's score; some were revised after a look at the data, as the page says.
"""

import sys
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

__all__ = ["PROFILES", "STRONG", "WEAK", "Profile", "document", "rewritten"]

_AUDIT = "2212.10560, audit of 200 rows of GPT-3: valid task .92, fitting input .79, right output .58, all three .54"
_JUDGE = "judging bench of MT-Bench (2306.05685)"
_HIVE = "assumed: 1 is Zipf's law; that models repeat themselves is 2510.22954 (79 % of pairs of answers above .8)"


def _number(means: str, strong: str, weak: str = "") -> Any:
    """Declare a field with what it means and where each profile's value comes from."""
    return field(metadata={"means": means, "strong": strong, "weak": weak or strong})


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """How one scripted teacher behaves; rates are probabilities unless the meaning says otherwise."""

    name: str = field(metadata={})

    # What it writes when nothing guides it.
    operation_skew: float = _number("Zipf exponent of its taste for operations", _HIVE)
    phrasing_skew: float = _number("Zipf exponent of its taste for phrasings of an operation", "assumed, as above")
    context_skew: float = _number("Zipf exponent of its taste for contexts", "assumed, as above")
    habit: float = _number("the next operation is the habitual follower of the one before", "assumed")
    depth_weights: tuple[float, ...] = _number("weights of one, two, three and four operations", "assumed")
    length_weights: tuple[float, ...] = _number(
        "weights of lists of three, four, five, six and seven digits", "assumed"
    )
    repeat_in_reply: float = _number(
        "an operation or context of an earlier item in the same reply is let stand; else drawn once more", "assumed"
    )
    short_reply: float = _number("a reply has one item fewer than asked for", "assumed")

    # What exemplars do to it.
    imitation: float = _number("an item starts from one of the exemplars shown", "assumed")
    keep_operations: float = _number("an imitation keeps the exemplar's operations; else one is changed", "assumed")
    keep_phrasing: float = _number("an imitation keeps the wording of a step", "assumed")
    keep_context: float = _number("an imitation keeps the exemplar's context", "assumed")
    copy_exemplar: float = _number("an imitation is an exact copy", "assumed")

    # What personas and topics do to it.
    persona_surface: float = _number(
        "a persona sets the context",
        "assumed; that personas re-dress one and the same problem is 2406.20094, 2505.20161",
    )
    persona_voice: float = _number("a persona frees the wording from the usual taste", "assumed, as above")
    persona_operations: float = _number("a persona decides the first operation", "assumed, as above")
    persona_stays: float = _number("a persona made from another has the same occupation", "assumed")
    obedience: float = _number("a topic that was asked for is followed", "assumed")
    factor_completeness: float = _number("ways to differ that one list names; the description hints at them", "assumed")
    completeness: float = _number(
        "children of a topic that one list names",
        "2603.29791 by secondary sources: one-shot lists .52 and .50, with best of several and a critic .74 and .78",
        "assumed",
    )
    completeness_tilt: float = _number(
        "how much of that hangs on a child's place among its favourites, 0 to 1", "assumed"
    )
    soundness: float = _number(
        "a named child is a sensible one", "2603.29791 by secondary sources: .97 and .70", "2603.29791: .97 and .70"
    )

    # What goes wrong in writing.
    invalid_task: float = _number(
        "a proposed prompt asks for something impossible", "2406.20094: 7 of 200 problems invalid", f"{_AUDIT}: 1 − .92"
    )
    bad_input: float = _number("a valid prompt has a list that does not fit", "assumed", f"{_AUDIT}: 1 − .79/.92")

    # Rewriting.
    unchanged: float = _number(
        "a rewriting only rewords",
        "assumed; 2304.12244: if 624k calls are 52k × 4 rounds × 3 and 250k rows hold the 52k seeds, 5 % fail in all",
        "assumed",
    )
    leak: float = _number("a rewriting shows scaffold words", "assumed, within the 5 % above", "assumed")
    contradiction: float = _number("a rewriting asks for what cannot be", "assumed, within the 5 % above", "assumed")
    contradiction_per_step: float = _number("what each step beyond the third adds to that", "assumed")

    # Answering.
    step_error: float = _number(
        "random error in the first step, greedy",
        "set so that it has .88 of two-step prompts right, as the teacher of 2603.29791 has of GSM8k",
        f"set so that it has .68 of two-step prompts right; {_AUDIT}: .54/.79 among fitting inputs",
    )
    error_growth: float = _number("relative rise of the random error with every further step", "assumed")
    error_length: float = _number("relative rise of the random error with every digit beyond five", "assumed")
    error_heat: float = _number(
        "relative rise of the random error from temperature 0 to 1", "assumed; direction from 2406.08464"
    )
    confused_phrasings: int = _number("phrasings of `rotate`, of six, that are read as a turn to the right", "assumed")
    refusal: float = _number("a prompt not understood is answered with Sorry; else with nonsense", "assumed")

    # Judging.
    pass_right: float = _number("a right answer is judged right", "assumed")
    pass_wrong: float = _number(
        "a wrong answer is judged right",
        f"{_JUDGE}: 6 of 20 grading errors with reasoning",
        f"{_JUDGE}: 14 of 20 grading errors by default",
    )
    consistency: float = _number(
        "the opposite question about the same answer has the same verdict behind it",
        f"{_JUDGE}: taken from 65 % of GPT-4's verdicts surviving a swap of order",
        f"{_JUDGE}: taken from 46 % of GPT-3.5's surviving a swap of order",
    )
    sees_equal: float = _number(
        "the comparison of two prompts, or the check of a topic, is right", "assumed, within the 5 % above", "assumed"
    )
    rating_gap: float = _number("points between ratings of answers it takes for right and for wrong", "assumed")
    rating_length: float = _number(
        "points per ten words beyond fifteen in prompt and answer",
        f"assumed; direction from {_JUDGE}: longer answers fool GPT-4 in 9 % and GPT-3.5 in 91 %",
    )
    rating_typical: float = _number("points between the most and the least usual prompt", "assumed")
    rating_noise: float = _number("standard deviation of a rating in points", "assumed")
    complexity_step: float = _number("points of complexity, of six, that a step beyond the first adds", "assumed")
    lenient: float = _number("an answer taken for wrong still gets two points of three", "assumed")

    # Second thoughts.
    repairs: float = _number("a prompt that was criticised is mended; else it comes back as it was", "assumed")
    follows_hint: float = _number("with the right answer as a hint the answer is that", "assumed")


STRONG = Profile(
    name="strong",
    operation_skew=1.0, phrasing_skew=1.0, context_skew=1.0, habit=0.2,
    depth_weights=(0.25, 0.45, 0.22, 0.08), length_weights=(0.3, 0.3, 0.25, 0.1, 0.05),
    repeat_in_reply=0.3, short_reply=0.02,
    imitation=0.6, keep_operations=0.4, keep_phrasing=0.5, keep_context=0.3, copy_exemplar=0.02,
    persona_surface=0.9, persona_voice=0.5, persona_operations=0.1, persona_stays=0.3,
    obedience=0.95, factor_completeness=0.9, completeness=0.51, completeness_tilt=0.6, soundness=0.97,
    invalid_task=0.035, bad_input=0.03,
    unchanged=0.02, leak=0.01, contradiction=0.02, contradiction_per_step=0.02,
    step_error=0.055, error_growth=0.25, error_length=0.1, error_heat=0.2, confused_phrasings=1, refusal=0.8,
    pass_right=0.95, pass_wrong=0.30, consistency=0.65, sees_equal=0.99,
    rating_gap=1.5, rating_length=0.1, rating_typical=0.4, rating_noise=0.6,
    complexity_step=1.2, lenient=0.4, repairs=0.8, follows_hint=0.95,
)  # fmt: skip

WEAK = Profile(
    name="weak",
    operation_skew=1.5, phrasing_skew=1.5, context_skew=1.5, habit=0.4,
    depth_weights=(0.45, 0.4, 0.13, 0.02), length_weights=(0.4, 0.35, 0.2, 0.04, 0.01),
    repeat_in_reply=0.6, short_reply=0.1,
    imitation=0.75, keep_operations=0.55, keep_phrasing=0.7, keep_context=0.5, copy_exemplar=0.06,
    persona_surface=0.8, persona_voice=0.3, persona_operations=0.05, persona_stays=0.5,
    obedience=0.7, factor_completeness=0.75, completeness=0.4, completeness_tilt=0.9, soundness=0.7,
    invalid_task=0.08, bad_input=0.14,
    unchanged=0.1, leak=0.03, contradiction=0.07, contradiction_per_step=0.06,
    step_error=0.09, error_growth=0.25, error_length=0.1, error_heat=0.3, confused_phrasings=6, refusal=0.5,
    pass_right=0.90, pass_wrong=0.70, consistency=0.46, sees_equal=0.9,
    rating_gap=0.8, rating_length=0.4, rating_typical=0.8, rating_noise=0.9,
    complexity_step=0.8, lenient=0.6, repairs=0.5, follows_hint=0.85,
)  # fmt: skip

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (STRONG, WEAK)}


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _row(item: "Field[Any]") -> str:
    strong, weak = item.metadata["strong"], item.metadata["weak"]
    source = strong if strong == weak else f"strong: {strong}; weak: {weak}"
    return (
        f"| `{item.name}` | {item.metadata['means']} | {_shown(getattr(STRONG, item.name))} "
        f"| {_shown(getattr(WEAK, item.name))} | {source} |"
    )


def document() -> str:
    """Return the table of every number as Markdown, without the text around it."""
    head = ["| Number | Means | strong | weak | Source |", "|---|---|---|---|---|"]
    return "\n".join(head + [_row(item) for item in fields(Profile) if item.metadata]) + "\n"


_START, _END = "<!-- numbers: generated -->\n", "<!-- end -->"


def rewritten(page: str) -> str:
    """Return a page with the table between its two marks written anew."""
    head, _, rest = page.partition(_START)
    return f"{head}{_START}\n{document()}\n{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    _page = Path(sys.argv[1])
    _page.write_text(rewritten(_page.read_text(encoding="utf-8")), encoding="utf-8")
