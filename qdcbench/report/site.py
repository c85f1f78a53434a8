"""The leaderboard as HTML that opens from disk: one file with all inside, and one beside it for each method."""

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
from qdcbench.report.method_data import page_names
from qdcbench.report.method_page import method_body
from qdcbench.report.page_data import page_data
from qdcbench.report.page_sections import claims_section, inference_sections
from qdcbench.report.points import as_written

__all__ = ["build_site", "json_for_script"]

_STYLES = ("board.css",)
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
    """Write ``index.html`` and ``methods/NAME.html`` for its methods; return the former's path. Same input, same bytes.

    Args:
        analysis: what is shown.
        records: the runs behind it, for the drill-down.
        methods_info: method name to what its plugin says (`qdcbench.report.methods.method_info`); a method of the
            edition that is not in it has no page.
        figures_dir: folder with the PNG files of ``write_figures``; a missing one is left out.
        out_dir: folder to write to.

    Raises:
        StoreError: a file cannot be read or written.
    """
    analysis = as_written(analysis)
    parts = {
        "edition": html.escape(analysis.edition),
        "data": json_for_script(page_data(analysis, records, methods_info)),
        "claims": claims_section(analysis),
        "inference": inference_sections(analysis),
        "figures": _figures(analysis, records, figures_dir),
    }
    _write(out_dir / "index.html", "template.html", parts, styles=_STYLES, scripts=_SCRIPTS)
    for name, page in page_names([arm.method for arm in analysis.arms]).items():
        if name in methods_info:
            parts = {
                "title": html.escape(f"{name} · QDCBench {analysis.edition}"),
                "body": method_body(analysis, records, methods_info[name]),
            }
            _write(out_dir / page, "method.html", parts, styles=(*_STYLES, "method.css"), scripts=("method.js",))
    return out_dir / "index.html"


def _write(
    path: Path, template: str, parts: Mapping[str, str], *, styles: Sequence[str], scripts: Sequence[str]
) -> None:
    """Fill a template and write it; nothing but its own style, script and pictures may be loaded."""
    style, script = ("\n".join(map(_page_file, names)) for names in (styles, scripts))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_allow(style)}; script-src {_allow(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    filled = {**parts, "policy": policy, "style": style, "script": script}
    # One pass, so that a placeholder inside of inserted text stays text.
    page = re.sub(r"\{\{ (\w+) \}\}", lambda match: filled[match[1]], _page_file(template))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; choose another folder") from None


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
        if FIGURES[name].may_lack and not numbers.rows:
            continue
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
