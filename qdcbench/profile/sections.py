"""Sections of the page that list rows: what was read, duplicates, hardest rows, emptiest regions, lengths."""

from collections.abc import Sequence

from qdcbench.profile.findings import (
    Copies,
    Hardest,
    Pair,
    Place,
    Pool,
    Region,
    copies,
    hardest,
    lengths,
    nearest_pairs,
    regions,
)  # fmt: skip
from qdcbench.profile.measured import SIDES, Profiles
from qdcbench.profile.parts import printable
from qdcbench.profile.plots import length_plot, swatch
from qdcbench.profile.terminal import notes
from qdcbench.report.markup import Html, tag

__all__ = [
    "clipped", "duplicates_section", "emptiest_section", "hardest_section", "lengths_section", "part_name",
    "rows_section",
]  # fmt: skip

_TEXT = 700
_COPIES, _PAIRS, _HARDEST, _REGIONS = 10, 12, 10, 9


def clipped(text: str, most: int) -> str:
    """Return the text, or its beginning and how many characters follow."""
    return text if len(text) <= most else f"{text[:most]} … (+{len(text) - most:,} characters)"


def part_name(pool: Pool, part: int) -> Html:
    """Return a part's spot and name."""
    return tag("span", swatch(part), tag("bdi", pool.parts[part].label), class_="part-name")


def _texts(pool: Pool, place: Place, completion: bool = True) -> Html:
    """Return a row's part, prompt and completion."""
    rows = pool.parts[place.part].rows
    answer = rows.completions[place.row] if completion else ""
    return tag(
        "div", part_name(pool, place.part), tag("pre", clipped(rows.prompts[place.row], _TEXT), dir="auto"),
        tag("pre", clipped(answer, _TEXT), class_="completion", dir="auto") if answer else None, class_="texts",
    )  # fmt: skip


def rows_section(profiles: Profiles) -> Html:
    """Return what was read of each file, and what must be known beside the numbers."""
    told = [note for note in notes(profiles) if not note.startswith("not measured")]
    return tag("section", tag("ul", *(tag("li", note) for note in told), class_="note told"), id="rows")


def duplicates_section(pool: Pool) -> Html:
    """Return prompts that several rows share, and the nearest pairs of different prompts."""
    shared, number = copies(pool.parts, _COPIES)
    pairs = nearest_pairs(pool, _PAIRS)
    equal = tag("p", "No two of the drawn rows have the same prompt.")
    if shared:
        most = "" if number == len(shared) else f", the {len(shared)} most frequent of which are these"
        equal = tag("div", tag("p", f"{number:,} prompts stand in several of the drawn rows{most}."),
                    tag("ol", *(_copied(pool, c) for c in shared), class_="listed"))  # fmt: skip
    near = f"Of {len(pool.places):,} rows, the pairs of different prompts with the largest cosine ({pool.encoder})"
    return tag(
        "section", tag("h2", "Nearest duplicates"), tag("h3", "Equal prompts"), equal,
        tag("h3", "Nearly equal prompts"), tag("p", f"{near}; a row stands in one pair only.", class_="lead"),
        tag("ol", *(_pair(pool, pair) for pair in pairs), class_="listed"), id="duplicates",
    )  # fmt: skip


def _copied(pool: Pool, found: Copies) -> Html:
    counts = [tag("span", part_name(pool, i), f" {n:,}×", class_="count") for i, n in enumerate(found.counts) if n]
    return tag("li", *counts, tag("pre", clipped(found.prompt, _TEXT), dir="auto"))


def _pair(pool: Pool, pair: Pair) -> Html:
    both = (_texts(pool, pool.places[i]) for i in (pair.first, pair.second))
    return tag("li", tag("span", f"cosine {pair.cosine:.4f}", class_="count"), tag("div", *both, class_="two"))


def hardest_section(pool: Pool) -> Html:
    """Return the rows that miss their reference answer, and the hardest by the surest measure that was taken."""
    return tag(
        "section", tag("h2", "Hardest rows"), *(_hard(pool, found) for found in hardest(pool, _HARDEST)), id="hard"
    )


def _hard(pool: Pool, found: Hardest) -> Html:
    missed = found.measure == "gold_share"
    title = "Completions that miss their reference answer" if missed else f"By {found.measure}"
    listed = [
        tag("li", None if missed else tag("span", f"{value:.4g}", class_="count"), _texts(pool, place))
        for value, place in found.rows
    ]
    return tag("div", tag("h3", title), tag("p", found.summary, class_="lead"), tag("ol", *listed, class_="listed two"))


def emptiest_section(pool: Pool, profiles: Profiles) -> Html:
    """Return clusters where a part has few rows beside another, with rows of those that have them."""
    found = regions(pool, profiles)
    named = printable(profiles.request.reference)
    on = f"the rows of {named}" if named else "the measured rows of all columns"
    if not found:
        said = tag("p", "There are too few different rows for regions.")
        return tag("section", tag("h2", "Emptiest regions"), said, id="regions")
    how = (
        f"{len(found)} clusters (k-means) of the vectors of {on}. "
        + ("Smallest first." if len(pool.parts) == 1 else "First where one part has most and another least.")
    )  # fmt: skip
    return tag(
        "section", tag("h2", "Emptiest regions"), tag("p", how, class_="lead"),
        tag("div", *(_region(pool, region) for region in found[:_REGIONS]), class_="cards"), id="regions",
    )  # fmt: skip


def _region(pool: Pool, region: Region) -> Html:
    top = max(region.shares)
    bars = [
        tag("li", part_name(pool, i), tag("span", f"{share:.1%}"), _bar(i, share / top), class_="region")
        for i, share in enumerate(region.shares)
    ]
    rows = [_texts(pool, pool.places[i], completion=False) for i in region.examples]
    return tag("article", tag("ul", *bars, class_="bars"), *rows, class_="card")


def _bar(part: int, share: float) -> Html:
    filled = tag("rect", width=f"{100 * share:.2f}", height=4)
    return tag("svg", filled, viewBox="0 0 100 4", preserveAspectRatio="none", class_=f"share part p{part}")


def lengths_section(pool: Pool) -> Html:
    """Return how many words prompts and completions have."""
    figures = []
    for side in SIDES:
        if not any(any(part.rows.texts(side)) for part in pool.parts):
            continue
        found = lengths(pool.parts, side)
        caption = tag("figcaption", _medians(pool, found.medians))
        figures.append(tag("figure", tag("h3", f"Words of a {side}"), length_plot(found, side), caption))
    words = "Share of the drawn rows by number of words, on a logarithmic axis."
    return tag("section", tag("h2", "Lengths"), tag("p", words, class_="lead"), tag("div", *figures, class_="figures"),
               id="lengths")  # fmt: skip


def _medians(pool: Pool, medians: Sequence[float]) -> list[Html]:
    return [tag("span", part_name(pool, i), f" median {m:,.0f}", class_="count") for i, m in enumerate(medians)]
