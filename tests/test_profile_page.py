"""The page of a profile: one file that needs nothing, shows hostile texts as text, and works in a real browser."""

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qdcbench.errors import StoreError
from qdcbench.measures.instrument import full_name
from qdcbench.profile.measured import Profiles, take_profiles
from qdcbench.profile.page import page, write_page
from qdcbench.profile.request import Quiet, Request

HOSTILE = (
    "</script><script>document.body.id='pwned'</script><img src=x onerror=\"document.body.id='pwned'\">'\"`{{ data }}"
    "<!--\u202egnihtemos\u202c \u05e9\u05dc\u05d5\u05dd"
)
WORDS = "red green blue river stone cloud paper seven north quick".split()


def write(path: Path, n: int, seed: int, extra: list[str] | None = None) -> str:
    rng = random.Random(seed)
    prompts = [" ".join(rng.choices(WORDS, k=rng.randint(3, 12))) for _ in range(n)] + (extra or [])
    rows = [{"prompt": text, "completion": f"{text}. Done {i}.", "kind": HOSTILE} for i, text in enumerate(prompts)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Profiles:
    folder = tmp_path_factory.mktemp("data")
    files = (
        write(folder / "one.jsonl", 260, 1, [HOSTILE, HOSTILE, f"{HOSTILE} again", "a twin of a twin"] * 2),
        write(folder / "<b>two.jsonl", 300, 2, ["a twin of a twin"]),
    )
    measures = ("vendi_q1*", "distinct_1", "*words", "partition_*")
    return take_profiles(Request(files=files, encoder="hashed", measures=measures), Quiet())


@pytest.fixture(scope="module")
def written(profiles: Profiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "new" / "page.html"
    write_page(profiles, path)
    return path


class Reader(HTMLParser):
    """Keeps element names, attributes and the words outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def ids(self) -> set[str | None]:
        return {attrs.get("id") for _, attrs in self.tags}


def browser() -> str:
    names = (os.environ.get("QDCBENCH_BROWSER", ""), "chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        sentence = "no chromium found, so the page was not opened; install it or set QDCBENCH_BROWSER"
        if os.environ.get("CI") and os.environ.get("QDCBENCH_NO_BROWSER") != "1":
            pytest.fail(sentence + " (QDCBENCH_NO_BROWSER=1 skips this on purpose)")
        pytest.skip(sentence)
    return found


@pytest.fixture
def chromium(tmp_path: Path) -> Callable[..., str]:
    def opened(address: str, *options: str) -> str:
        command = [
            browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            f"--user-data-dir={tmp_path / 'profile'}", *options, address,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    return opened


def with_script(page_file: Path, target: Path, script: str) -> Path:
    """Return a copy that does what a reader would do; its content policy is taken out for that."""
    text = page_file.read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    target.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    return target


def test_same_bytes_each_time(profiles: Profiles, written: Path) -> None:
    assert written.read_text(encoding="utf-8") == page(profiles)


def test_nothing_is_loaded(written: Path) -> None:
    found = Reader(written.read_text(encoding="utf-8"))
    assert not [tag for tag, attrs in found.tags if {"src", "href", "srcset", "action"} & set(attrs)]
    assert not [tag for tag, _ in found.tags if tag in {"link", "img", "iframe", "object"}]
    style = re.search(r"<style>(.*?)</style>", written.read_text(encoding="utf-8"), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_all_sections_and_numbers_are_there(profiles: Profiles, written: Path) -> None:
    found = Reader(written.read_text(encoding="utf-8"))
    assert {"rows", "profile", "map-section", "map", "duplicates", "hard", "regions", "lengths"} <= found.ids()
    for profile in profiles.each:
        for m in profile.measurements:
            if m.value is not None:
                assert f"{m.value:.4g}" in found.words
                assert full_name(m) in found.words
    assert "3 prompts stand in several of the drawn rows" in found.words


def test_hostile_texts_stay_text(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    found = Reader(text)
    assert HOSTILE in found.words
    assert [tag for tag, _ in found.tags].count("script") == 2
    assert "<b>" not in text
    assert not [attrs for _, attrs in found.tags if any(name.startswith("on") for name in attrs)]


def test_a_folder_that_cannot_be_written_is_one_sentence(profiles: Profiles, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_page(profiles, tmp_path / "file" / "page.html")


def test_the_browser_shows_it_and_runs_nothing_of_the_data(written: Path, chromium: Callable[..., str]) -> None:
    found = Reader(chromium(written.as_uri(), "--dump-dom"))
    tags = dict(found.tags)
    assert tags["html"].get("data-ready") == "yes", "the page's script did not reach its end"
    assert tags["body"].get("id") is None
    spots = [attrs for tag, attrs in found.tags if tag == "circle" and "data-row" in attrs]
    assert len(spots) == 2 * 268
    dark = dict(Reader(chromium(written.as_uri() + "#theme=dark", "--dump-dom")).tags)
    assert dark["html"].get("data-theme") == "dark"


def test_a_point_shows_its_texts_and_a_part_can_be_hidden(
    written: Path, chromium: Callable[..., str], tmp_path: Path
) -> None:
    script = """
    const at = DATA.rows.findIndex((row) => row[1].includes("pwned"));
    document.querySelector(`#map [data-row="${at}"]`).dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
    document.querySelector("input[data-part='1']").click();
    document.getElementById("twins").click();
    """
    copy = with_script(written, tmp_path / "copy.html", script)
    text = chromium(copy.as_uri(), "--dump-dom")
    found = Reader(text)
    assert dict(found.tags)["body"].get("id") is None
    assert "with-twins" in (dict(found.tags)["body"].get("class") or "")
    shown = text[text.index('id="row"') :]
    assert "&lt;/script&gt;&lt;script&gt;document.body.id='pwned'" in shown[: shown.index("</p>")]
    hidden = [attrs for tag, attrs in found.tags if tag == "g" and attrs.get("data-part") == "1"]
    assert ["gone" in (attrs.get("class") or "") for attrs in hidden] == [True]


def test_a_phone_needs_no_sideways_scrolling(written: Path, chromium: Callable[..., str], tmp_path: Path) -> None:
    frame = tmp_path / "phone.html"
    frame.write_text(
        f'<iframe id="f" width="360" height="800" src="{written.as_uri()}"></iframe><p id="wide"></p><script>'
        'const f = document.getElementById("f"); f.onload = () => { document.getElementById("wide").textContent = '
        "f.contentDocument.documentElement.scrollWidth; };</script>"
    )
    text = chromium(frame.as_uri(), "--dump-dom", "--virtual-time-budget=4000", "--allow-file-access-from-files")
    wide = re.search(r'<p id="wide">(\d+)</p>', text)
    assert wide is not None
    assert int(wide[1]) <= 360


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_screenshot_is_a_picture_of_something(
    written: Path, chromium: Callable[..., str], tmp_path: Path, theme: str
) -> None:
    import matplotlib.image

    target = tmp_path / f"{theme}.png"
    chromium(f"{written.as_uri()}#theme={theme}", f"--screenshot={target}", "--window-size=1200,1600")
    picture = matplotlib.image.imread(target)[:, :, :3]
    corner = float(picture[-1, 0].mean())
    assert corner > 0.9 if theme == "light" else corner < 0.2
    coloured = (picture.max(axis=2) - picture.min(axis=2)) > 0.3
    assert coloured[:, 100:1100].sum() > 2_000
