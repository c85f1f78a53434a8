"""Sections of the leaderboard that need no JavaScript: claims, dials, shares, spread, and orders by budget."""

from collections.abc import Sequence
from dataclasses import replace

from qdcbench.records import Analysis, OutcomeResult
from qdcbench.report.cells import Cell, Table
from qdcbench.report.claims import Claim, claims_in_order, outcome_words, simulated_scope, told
from qdcbench.report.grids import factorial_grids, separation_grids, share_grid, track_grids, variance_grid
from qdcbench.report.groups import scope_title
from qdcbench.report.markup import Html, join, tag
from qdcbench.report.points import DISTANCES, headline
from qdcbench.report.spread_tables import collinearity_table
from qdcbench.report.text import decimals_alone, group_title, interval_text

__all__ = ["claims_section", "inference_sections", "table_html"]

_MARKS = {"supported": "✓", "contradicted": "✕", "undetermined": "?"}
_DECLARED = {
    "before": ("declared before the runs", "good", "The digest of this rule is in every record that was used."),
    "after": (
        "rule not in the records", "simulated",
        "A record that was used carries no digest of this rule, or that of another one: the rule may be younger than "
        "the runs.",
    ),
}  # fmt: skip


def claims_section(analysis: Analysis) -> Html:
    """Return every claim with its answers, a scope at a time, the designs of a claim beside each other."""
    claims = claims_in_order(analysis)
    # A scope at a time: what holds for simulated data is never read next to what holds for language models.
    blocks = [
        join(
            tag(
                "h3",
                tag("bdi", scope_title(scope)),
                tag("span", "simulated", class_="badge simulated") if simulated_scope(analysis, scope) else None,
                class_="scope",
            ),
            tag("div", [_claim(analysis, own) for own in _by_name(claims, scope)], class_="cards"),
        )
        for scope in dict.fromkeys(claim.scope for claim in claims)
    ]
    return tag(
        "section",
        tag("h2", "Claims", id="verdicts-title"),
        tag(
            "p",
            "Each claim, its answer by a fixed rule, and how it was asked: ",
            tag("em", "observational"),
            " looks across the datasets that methods made, ",
            tag("em", "interventional"),
            " turns one dial while the rest stays.",
            class_="lead",
        ),
        tag("div", blocks, id="cards"),
        id="verdicts",
        aria_labelledby="verdicts-title",
        hidden=not claims,
    )


def _by_name(claims: Sequence[Claim], scope: str) -> list[list[Claim]]:
    own = [claim for claim in claims if claim.scope == scope]
    return [[claim for claim in own if claim.name == name] for name in dict.fromkeys(claim.name for claim in own)]


def _claim(analysis: Analysis, designs: Sequence[Claim]) -> Html:
    """One claim: its answers by design, as wide as they are many."""
    return tag(
        "article",
        tag("h4", tag("span", designs[0].name, class_="claim"), " ", tag("bdi", designs[0].statement)),
        tag("div", [_answer(analysis, claim, designs[0].statement) for claim in designs], class_="designs"),
        class_="claims several" if len(designs) > 1 else "claims",
    )


def _answer(analysis: Analysis, claim: Claim, heading: str) -> Html:
    words, kind, why = _DECLARED[claim.declared]
    tests = claim.tests
    sentence = tag("p", tag("bdi", claim.evidence), class_="evidence")
    return tag(
        "div",
        tag("p", tag("span", _MARKS[claim.answer], class_="mark", aria_hidden="true"), claim.answer, class_="answer"),
        tag(
            "p",
            tag("span", claim.design, class_="badge"),
            " ",
            tag("span", words, class_=f"badge {kind}", title=why),
            class_="asked",
        ),
        tag("p", tag("bdi", claim.statement)) if claim.statement != heading else None,
        tag("ul", [_found(analysis, test) for test in tests], class_="tests") if tests else sentence,
        tag("details", tag("summary", "In a sentence"), sentence) if tests else None,
        tag("details", tag("summary", "Numbers"), tag("ul", [_test(analysis, test) for test in tests], class_="tests"))
        if tests
        else None,
        tag(
            "details",
            tag("summary", "Rule"),
            tag("p", tag("bdi", claim.rule)),
            tag("p", "Digest of the declaration: ", tag("code", claim.sha256[:16])) if claim.sha256 else None,
        ),
        class_=f"card {claim.answer}",
    )


def _found(analysis: Analysis, test: OutcomeResult) -> Html:
    """What one test found, in a line."""
    effect = interval_text(test.effect, decimals_alone(test.effect))
    return tag("li", tag("bdi", outcome_words(analysis, test)), ": ", tag("strong", test.answer), f", {effect}")


def _test(analysis: Analysis, test: OutcomeResult) -> Html:
    alone = test.by_group if len(test.by_group) > 1 else ()
    groups = "; ".join(f"{group_title(group)} {interval_text(v, decimals_alone(v))}" for group, v in alone)
    return tag(
        "li",
        tag("strong", tag("bdi", outcome_words(analysis, test)), ": ", test.answer),
        ". ",
        tag("bdi", "; ".join(told(analysis, test)) + "."),
        tag("span", f" In each group alone: {groups}.", class_="note") if groups else None,
        tag("span", " ", tag("bdi", _sentence(test.reason)), class_="note") if test.reason else None,
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def table_html(table: Table, leave_out: frozenset[str] = frozenset()) -> Html:
    """Return a table in a box that scrolls, with its title as caption and its note below."""
    shown = [i for i, column in enumerate(table.columns) if column.key not in leave_out]
    heads = [tag("th", tag("bdi", table.columns[i].header), scope="col", class_=_side(table, i)) for i in shown]
    lines = [
        tag(
            "tr",
            [_cell(row[i], head=place == 0, class_=_side(table, i)) for place, i in enumerate(shown)],
            class_="first" if index in table.rules else None,
        )
        for index, row in enumerate(table.rows)
    ]
    box = tag(
        "div",
        tag(
            "table",
            tag("caption", tag("bdi", table.title)),
            tag("thead", tag("tr", heads)),
            tag("tbody", lines),
            class_="plain effects ruled",
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=table.title,
    )
    return join(box, tag("p", tag("bdi", _sentence(table.note)), class_="note"))


def _side(table: Table, index: int) -> str | None:
    return "number" if table.columns[index].align == "right" else None


def _cell(cell: Cell, *, head: bool, class_: str | None) -> Html:
    content = join(tag("bdi", cell.text), tag("sup", cell.tie, class_="tie") if cell.tie else None)
    return tag("th", content, scope="row", class_=class_) if head else tag("td", content, class_=class_)


def _section(name: str, title: str, lead: str, *content: Html | None) -> Html | None:
    """Return a section, or nothing where it would be empty."""
    parts = [part for part in content if part]
    if not parts:
        return None
    return tag(
        "section",
        tag("h2", title, id=f"{name}-title"),
        tag("p", lead, class_="lead"),
        parts,
        id=name,
        aria_labelledby=f"{name}-title",
    )


def _heads_only(analysis: Analysis) -> Analysis:
    """Keep of what there is for every score the ID and OOD scores, where there are both; the files have the rest."""
    heads = {headline(analysis, distance) for distance in DISTANCES} - {None}
    return replace(
        analysis,
        shares=tuple(s for s in analysis.shares if s.score in heads) or analysis.shares,
        variances=tuple(v for v in analysis.variances if v.score in heads) or analysis.variances,
        separations=tuple(s for s in analysis.separations if s.score in heads) or analysis.separations,
        tracks=tuple(t for t in analysis.tracks if t.score in heads) or analysis.tracks,
    )


def inference_sections(analysis: Analysis) -> Html:
    """Return what dials do, what the axes explain, what orders rest on and orders by budget, where there are any."""
    heads = _heads_only(analysis)
    sections = [
        _section(
            "interventions",
            "What dials do",
            "Rows of one verified pool, chosen so that one axis changes and the others stay: an effect here is an "
            "effect, not a relation. A dot marks what differs from zero after correction for the number of tests.",
            *(table_html(table) for table in factorial_grids(analysis)),
        ),
        _section(
            "shares",
            "How much of a score the axes explain",
            "Observational: which part of the differences between datasets goes with which axis, and how far the axes "
            "can be told apart at all.",
            _shown(share_grid(heads)),
            _shown(collinearity_table(analysis), analysis.edition),
        ),
        _section(
            "spread",
            "What an order rests on",
            "Where the spread of a score comes from, and how many repetitions it would take to tell arms apart.",
            _shown(variance_grid(heads)),
            _folded("How many seeds would separate arms", separation_grids(heads), analysis.edition),
        ),
        _section(
            "tracks",
            "Order by budget",
            "The arms at equal amounts of rows, of training words and of teacher tokens.",
            *(_track(heads, *track) for track in track_grids(heads)),
        ),
    ]
    return join([section for section in sections if section is not None])


def _shown(table: Table | None, edition: str = "") -> Html | None:
    return None if table is None else table_html(_on_the_page(table, edition))


def _on_the_page(table: Table, edition: str) -> Table:
    """A file has to say what edition it is of; the page says it once."""
    return replace(table, note=table.note.removeprefix(f"edition {edition}; "))


def _folded(heading: str, tables: Sequence[Table], edition: str) -> Html | None:
    """Return long tables closed, one under the other; what a table's title says stands in no column of it."""
    if not tables:
        return None
    said = frozenset({"setting", "score"})
    blocks = [_details(table.title, table_html(_on_the_page(table, edition), said)) for table in tables]
    return join(tag("h3", heading), blocks)


def _track(analysis: Analysis, title: str, table: Table | None, left_out: Sequence[str]) -> Html:
    """One budget track, closed: its table, and why arms are not in it."""
    said = frozenset({"setting", "score", "budget"})
    reasons = tag("ul", [tag("li", tag("bdi", _sentence(reason))) for reason in left_out], class_="tests note")
    return _details(
        title,
        table_html(_on_the_page(table, analysis.edition), said) if table is not None else tag("p", "No two arms meet."),
        join(tag("h4", "Left out"), reasons) if left_out else None,
    )


def _details(title: str, *content: Html | None) -> Html:
    return tag("details", tag("summary", tag("bdi", title)), content, class_="folded")
