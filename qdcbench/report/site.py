"""The leaderboard as one HTML file that opens from disk: data, style, script and figures inside."""

import base64
import hashlib
import html
import json
import re
import struct
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from qdcbench.errors import StoreError
from qdcbench.records import Analysis, RunRecord
from qdcbench.report.figures import FIGURES, figure_data
from qdcbench.report.page_data import page_data
from qdcbench.report.points import as_written

__all__ = ["build_site", "json_for_script"]

_SCRIPTS = ("pieces.js", "runs.js", "sections.js", "board.js")
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def json_for_script(value: Any) -> str:
    """Return ASCII JSON that cannot end or comment out the script element it stands in."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return "".join(_UNSAFE.get(c, c) for c in text)


def build_site(
    analysis: Analysis,
    records: Sequence[RunRecord],
    methods_info: Mapping[str, Any],
    figures_dir: Path,
    out_dir: Path,
) -> Path:
    """Write ``index.html`` and return its path; same input, same bytes.

    Args:
        analysis: what is shown.
        records: the runs behind it, for the drill-down.
        methods_info: method name to ``summary``, ``reference``, ``version`` and ``fidelity`` (rows of
            ``name``, ``state``, ``note``), plain JSON.
        figures_dir: folder with the PNG files of ``write_figures``; a missing one is left out.
        out_dir: folder to write to.

    Raises:
        StoreError: a file cannot be read or written.
    """
    analysis = as_written(analysis)
    style = _page_file("board.css")
    script = "\n".join(_page_file(name) for name in _SCRIPTS)
    parts = {
        "edition": html.escape(analysis.edition),
        "policy": f"default-src 'none'; img-src data:; style-src {_allow(style)}; script-src {_allow(script)}; "
        "base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        "data": json_for_script(page_data(analysis, records, methods_info)),
        "figures": _figures(analysis, records, figures_dir),
    }
    # One pass, so that a placeholder inside of inserted text stays text.
    page = re.sub(r"\{\{ (\w+) \}\}", lambda match: parts[match[1]], _page_file("template.html"))
    path = out_dir / "index.html"
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; choose another folder") from None
    return path


def _page_file(name: str) -> str:
    return resources.files("qdcbench.leaderboard").joinpath("page", name).read_text(encoding="utf-8")


def _allow(source: str) -> str:
    """Content-policy source that allows exactly this inline text."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() + "'"


def _figures(analysis: Analysis, records: Sequence[RunRecord], folder: Path) -> str:
    """Figures with their captions, in their usual order."""
    blocks = []
    for name in FIGURES:
        path = folder / f"{name}.png"
        if not path.is_file():
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}; draw the figures again") from None
        numbers = figure_data(analysis, records, name)
        width, height = struct.unpack(">II", content[16:24])
        title, caption, sign = (html.escape(t) for t in (numbers.title, numbers.caption, numbers.sign))
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        broad = ' class="broad"' if width > 1000 else ""
        blocks.append(
            f'<figure id="figure-{name}"{broad}>'
            f'<img width="{width // 2}" height="{height // 2}" alt="{title}. {caption}" src="{source}">'
            f"<figcaption><strong>{title}.</strong> {caption} <span>{sign}</span></figcaption></figure>"
        )
    return "\n".join(blocks)
