"""The file format: what is packed comes out again, and what could harm is refused before it is written."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qdcbench.bundles.archive import FORMAT, Manifest, open_bundle, write_bundle
from qdcbench.errors import QdcError, RecordError

NAMES = st.text("abcdeäß雪 .-_", min_size=1, max_size=150).filter(lambda name: name.strip(" .") != "")
CONTENTS = st.dictionaries(NAMES.map(lambda name: f"results/x/{name}"), st.binary(max_size=2000), max_size=6)
WORLD = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder, contents, name="b.tar.gz", **more):
    """Write a bundle of these contents; return its path."""
    files = {}
    for number, (place, content) in enumerate(sorted(contents.items())):
        files[place] = folder / f"{name}-{number}"
        files[place].write_bytes(content)
    write_bundle(folder / name, Manifest(edition="x", qdcbench="0"), files, more.pop("secrets", {}), **more)
    return folder / name


def opened(path, folder, **more):
    folder.mkdir()
    return open_bundle(path, folder, **more)


def inside(folder):
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    found.pop("manifest.json", None)
    return found


def entry(name, content=b"", **facts):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info, content


def archive_of(path, entries, form=tarfile.PAX_FORMAT):
    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return path


@WORLD
@given(contents=CONTENTS)
def test_what_is_packed_comes_out_and_equal_content_gives_equal_bytes(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("b")
    path = written(folder, contents)
    again = written(folder, dict(reversed(contents.items())), "other.tar.gz")
    assert path.read_bytes() == again.read_bytes()
    got = opened(path, folder / "out")
    assert inside(got.folder) == contents
    assert got.changed == ()


@settings(WORLD, max_examples=120)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("b")
    contents = {"answers.jsonl": bytes(range(256)) * 4, "results/x/a": b"1", f"results/x/{'long' * 40}": b"2" * 700}
    path = written(folder, contents)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        got = opened(path, folder / "out")
    except QdcError:
        return
    assert got.changed or inside(got.folder) == contents


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(tmp_path, share):
    path = written(tmp_path, {"answers.jsonl": bytes(range(256)) * 400})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RecordError, match=r"cut off|damaged"):
        opened(path, tmp_path / "out")


def test_a_tar_that_ends_between_two_entries_is_refused(tmp_path):
    path = written(tmp_path, {"answers.jsonl": b"x" * 512})
    content = gzip.decompress(path.read_bytes()).rstrip(b"\0")
    path.write_bytes(gzip.compress(content + b"\0" * (-len(content) % 512)))
    with pytest.raises(RecordError, match="cut off"):
        opened(path, tmp_path / "out")


def links(name, target, kind):
    return entry(name, type=kind, linkname=target)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([entry("../escape", b"x")], "outside"),
        ([entry("results/../../escape", b"x")], "outside"),
        ([entry("/tmp/escape", b"x")], "outside"),
        ([entry("a\\..\\escape", b"x")], "outside"),
        ([links("results/link", "/etc/passwd", tarfile.SYMTYPE)], "no plain file"),
        ([links("results/link", "../../escape", tarfile.SYMTYPE), entry("results/link/x", b"x")], "no plain file"),
        ([links("results/hard", "/etc/passwd", tarfile.LNKTYPE)], "no plain file"),
        ([entry("device", type=tarfile.CHRTYPE)], "no plain file"),
        ([entry("pipe", type=tarfile.FIFOTYPE)], "no plain file"),
        ([entry("folder", type=tarfile.DIRTYPE)], "no plain file"),
        ([entry("sparse", type=tarfile.GNUTYPE_SPARSE)], "no plain file"),
        ([entry("a", b"x", pax_headers={"size": "999999999999"})], "extended header"),
        ([entry("a", b"x", pax_headers={"path": "b\n20 size=99999999"})], "extended header"),
        ([entry("a", b"x", pax_headers={"comment": "c" * 200_000})], "no plain file"),
        ([entry("a" * 90_000, b"x")], "no plain file"),
        ([entry("a", b"x"), entry("a", b"y")], "twice"),
    ],
)  # fmt: skip
def test_what_could_harm_is_refused_before_anything_is_outside(tmp_path, bad, words):
    path = archive_of(tmp_path / "b.tar.gz", [entry("answers.jsonl", b""), *bad])
    with pytest.raises(RecordError, match=words):
        opened(path, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.tar.gz", "out"]
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_symlink()]


def test_a_declared_size_over_the_limit_is_refused_without_being_read(tmp_path):
    huge = tarfile.TarInfo("answers.jsonl")
    huge.size = 5 * 2**40
    path = tmp_path / "b.tar.gz"
    path.write_bytes(gzip.compress(huge.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024))
    with pytest.raises(RecordError, match="would unpack to more than"):
        opened(path, tmp_path / "out")


def test_a_bomb_of_zeros_is_refused_by_what_it_unpacks_to(tmp_path):
    path = written(tmp_path, {"answers.jsonl": bytes(3 * 2**20)})
    assert path.stat().st_size < 20_000
    with pytest.raises(RecordError, match="would unpack to more than"):
        opened(path, tmp_path / "out", largest=2 * 2**20)
    assert opened(path, tmp_path / "enough", largest=4 * 2**20).changed == ()
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(64 * 2**20)))
    with pytest.raises(RecordError, match="goes on after its last entry"):
        opened(path, tmp_path / "after", largest=4 * 2**20)


def test_a_negative_size_is_refused(tmp_path):
    info = tarfile.TarInfo("a")
    info.size = -512
    path = tmp_path / "b.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
    with pytest.raises(RecordError, match=r"would unpack|damaged"):
        opened(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "no manifest.json"),
        (b"{", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "is not a valid Manifest"),
        (json.dumps({"format": FORMAT + 1}).encode(), "upgrade qdcbench"),
        (json.dumps({"edition": "..", "qdcbench": "0"}).encode(), "refused"),
        (json.dumps({"edition": "a/b", "qdcbench": "0"}).encode(), "no folder's name"),
        (json.dumps({"edition": "x", "qdcbench": "0", "plugins": ["/root"]}).encode(), "outside"),
        (json.dumps({"edition": "x", "qdcbench": "0", "inputs": {"a": "../../etc/passwd"}}).encode(), "outside"),
    ],
)
def test_a_manifest_that_is_none_of_ours_is_a_sentence(tmp_path, manifest, words):
    entries = [entry("results/x/a", b"1")] + ([] if manifest is None else [entry("manifest.json", manifest)])
    path = archive_of(tmp_path / "b.tar.gz", entries)
    with pytest.raises(RecordError, match=words):
        opened(path, tmp_path / "out")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\3\4 no tar", b"\x1f\x8b", gzip.compress(b"words " * 500, mtime=0)],
    ids=["empty", "zip", "two bytes", "no tar inside"],
)
def test_any_other_file_is_a_sentence(tmp_path, content):
    path = tmp_path / "b.tar.gz"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"damaged|cut off"):
        opened(path, tmp_path / "out")


def test_a_missing_a_changed_and_an_added_file_are_named(tmp_path):
    path = written(tmp_path, {"answers.jsonl": b"1", "results/x/a": b"1", "results/x/b": b"1"})
    with tarfile.open(path) as archive:
        manifest = archive.extractfile("manifest.json").read()
    rows = [("manifest.json", manifest), ("answers.jsonl", b"1"), ("results/x/a", b"2"), ("results/x/c", b"1")]
    got = opened(archive_of(path, [entry(*row) for row in rows]), tmp_path / "out")
    assert got.changed == (
        "results/x/a was changed after the bundle was made",
        "results/x/b is missing from the bundle",
        "results/x/c is not in the manifest",
    )
    edited = json.loads(manifest) | {"commits": ["f" * 40]}
    rows[0] = ("manifest.json", json.dumps(edited).encode())
    got = opened(archive_of(path, [entry(*row) for row in rows]), tmp_path / "again")
    assert got.changed[0] == "manifest.json was changed after the bundle was made"


@WORLD
@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    before=st.integers(0, 2**20 + 50), quoted=st.booleans(),
)  # fmt: skip
def test_no_file_with_a_secret_is_packed_wherever_it_stands(tmp_path_factory, secret, before, quoted):
    folder = tmp_path_factory.mktemp("b")
    text = json.dumps(secret)[1:-1] if quoted else secret
    content = b" " * before + text.encode() + b" " * 10
    with pytest.raises(RecordError, match="holds the value of the variable MY_KEY") as refused:
        written(folder, {"answers.jsonl": content}, secrets={"MY_KEY": secret})
    assert secret not in str(refused.value)
    assert not (folder / "b.tar.gz").exists()


def test_programs_stay_programs(tmp_path):
    tool = tmp_path / "tool.sh"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o700)
    data = tmp_path / "data"
    data.write_text("1")
    write_bundle(
        tmp_path / "b.tar.gz",
        Manifest(edition="x", qdcbench="0"),
        {"inputs/0/tool.sh": tool, "inputs/0/data": data},
        {},
    )
    got = opened(tmp_path / "b.tar.gz", tmp_path / "out")
    assert [bool((got.folder / "inputs/0" / name).stat().st_mode & 0o100) for name in ("tool.sh", "data")] == [
        True,
        False,
    ]


def test_a_disk_that_refuses_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    source = tmp_path / "a"
    source.write_text("1")
    target = tmp_path / "file" / "b.tar.gz"
    with pytest.raises(QdcError, match="cannot be written"):
        write_bundle(target, Manifest(edition="x", qdcbench="0"), {"answers.jsonl": source}, {})
    with pytest.raises(QdcError, match="there is no bundle"):
        open_bundle(Path("nowhere.tar.gz"), tmp_path)
