"""Profiles as one HTML page that needs nothing else: every text from the data is escaped, nothing is loaded."""

import base64
import hashlib
import re
from importlib import resources
from pathlib import Path

from qdcbench.errors import StoreError
from qdcbench.profile.findings import Pool, pooled, projected
from qdcbench.profile.measured import Profiles
from qdcbench.profile.plots import map_plot
from qdcbench.profile.sections import (
    clipped,
    duplicates_section,
    emptiest_section,
    hardest_section,
    lengths_section,
    part_name,
    rows_section,
)  # fmt: skip
from qdcbench.profile.table import table_section
from qdcbench.report.markup import Html, join, tag
from qdcbench.report.site import json_for_script
from qdcbench.seeds import array_stream

__all__ = ["page", "write_page"]

_POINTS = 3_000
"""Points of a map: more of them hide each other and make the page slow."""

_POINT_TEXT = 280
_STYLES = (("qdcbench.leaderboard", "page/board.css"), ("qdcbench.profile", "page.css"))


def _file(package: str, name: str) -> str:
    return resources.files(package).joinpath(*name.split("/")).read_text(encoding="utf-8")


def _allow(source: str) -> str:
    """Return the content policy's source that allows exactly this inline text."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() + "'"


def _map_section(pool: Pool, profiles: Profiles) -> tuple[Html, str]:
    """Return the map and, as JSON, the texts of its points."""
    points, shares = projected(pool.vectors)
    stream = array_stream(profiles.request.seed, "page_map", {"rows": len(points)})
    # In drawn order, so that no part lies on top of the others.
    chosen = stream.permutation(len(points))[:_POINTS].tolist()
    places = [pool.places[i] for i in chosen]
    texts = []
    for place in places:
        part = pool.parts[place.part]
        prompt, completion = part.rows.prompts[place.row], part.rows.completions[place.row]
        texts.append([place.part, clipped(prompt, _POINT_TEXT), clipped(completion, _POINT_TEXT)])
    choices = [
        tag("label", tag("input", type="checkbox", checked=True, data_part=i), part_name(pool, i), class_="check")
        for i in range(len(pool.parts))
    ]
    words = (
        f"{len(chosen):,} prompts by their {profiles.encoder_name} vectors on the first two principal axes, which "
        f"carry {shares[0]:.1%} and {shares[1]:.1%} of the variance: points far apart differ, points close together "
        "may differ too. Point at one to read it."
    )
    held = tag("p", "No row chosen.", id="row", class_="note", aria_live="polite")
    figure = tag("figure", tag("div", *choices, class_="checks-row"), map_plot(points[chosen], places), held)
    section = tag("section", tag("h2", "Map of the prompts"), tag("p", words, class_="lead"), figure, id="map-section")
    return section, json_for_script({"rows": texts, "parts": [part.label for part in pool.parts]})


def page(profiles: Profiles) -> str:
    """Return the page. Same profiles, same bytes."""
    pool = pooled(profiles)
    drawn, data = _map_section(pool, profiles)
    names = ", ".join(dict.fromkeys(profile.part.source.label for profile in profiles.each))
    head = tag(
        "header", tag("h1", "Data profile ", tag("bdi", names, class_="edition")),
        tag("button", "Theme: auto", id="theme", class_="quiet", type="button"), class_="top",
    )  # fmt: skip
    body = join(
        head, rows_section(profiles), table_section(profiles), drawn, duplicates_section(pool), hardest_section(pool),
        emptiest_section(pool, profiles), lengths_section(pool),
    )  # fmt: skip
    style, script = "\n".join(_file(*name) for name in _STYLES), _file("qdcbench.profile", "page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_allow(style)}; script-src {_allow(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy, "title": tag("title", f"{names} · data profile"), "style": style, "script": script,
        "body": body, "data": data,
    }  # fmt: skip
    # One pass, so that a placeholder inside of inserted text stays text.
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: parts[match[1]], _file("qdcbench.profile", "page.html"))


def write_page(profiles: Profiles, path: Path) -> None:
    """Write the page, with the folder it is to stand in.

    Raises:
        StoreError: it cannot be written there.
    """
    text = page(profiles)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; choose another file") from None
