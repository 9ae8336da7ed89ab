"""An edition as it is released: its files, their names and sums, and the workflow that does it."""

import re
import zipfile
from pathlib import Path

import pytest
import yaml

from press import build, dist
from recorder import editions
from recorder.data import sha256
from recorder.errors import BookError
from recorder.plan import all_runs
from tests.workshop import ROOT, Workshop

CFF = "title: Small\nauthors: [{name: We}]\nversion: 1.2.0\ndate-released: 2026-03-04\n"
RUNTIME = "html/_static/run/runtime.js"
MADE = ("no-magic.pdf", "no-magic-letter.pdf", "no-magic.epub", RUNTIME)
TAUGHT = ("html/no-magic-cards.apkg", "html/no-magic-cards.csv", "notebooks/01-tier/one.ipynb")
PAGE, CHAPTER = "html/01-tier/one.html", "chapters/one.pdf"
VOLUMES = ("volumes/no-magic-1-tier.pdf", "volumes/no-magic-2-references.pdf")


@pytest.fixture
def made(recorded: Workshop, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recorded book of which everything was made."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    recorded.write("CITATION.cff", CFF)
    for name in (*MADE, *TAUGHT, PAGE, CHAPTER, *VOLUMES):
        recorded.write(f"build/{name}", name)
    recorded.write("build/html/.buildinfo", "for the next build")
    return recorded.root


def released(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in dist.gather(root).iterdir()}


def test_every_file_bears_the_version_and_has_its_sum(made: Path) -> None:
    files = released(made)
    sums = files.pop("SHA256SUMS").decode()
    assert sorted(files) == [
        "no-magic-1.2.0-cards.apkg",
        "no-magic-1.2.0-cards.csv",
        "no-magic-1.2.0-html.zip",
        "no-magic-1.2.0-letter.pdf",
        "no-magic-1.2.0-notebooks.zip",
        "no-magic-1.2.0-one.pdf",
        "no-magic-1.2.0-runs.zip",
        "no-magic-1.2.0-scripts.zip",
        "no-magic-1.2.0-volumes.zip",
        "no-magic-1.2.0.epub",
        "no-magic-1.2.0.pdf",
    ]
    assert sums == "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files))
    assert files["no-magic-1.2.0-letter.pdf"] == b"no-magic-letter.pdf"


def test_the_same_bytes_whenever_it_is_gathered(made: Path) -> None:
    first = released(made)
    (made / "build/html/01-tier/one.html").touch()
    assert released(made) == first


def test_volumes_keep_the_names_by_which_they_lead_to_each_other(made: Path) -> None:
    dist.gather(made)
    with zipfile.ZipFile(made / "build/dist/no-magic-1.2.0-volumes.zip") as file:
        assert file.namelist() == ["no-magic-1-tier.pdf", "no-magic-2-references.pdf"]


def test_the_web_pages_unfold_into_one_folder(made: Path) -> None:
    dist.gather(made)
    with zipfile.ZipFile(made / "build/dist/no-magic-1.2.0-html.zip") as file:
        page, *others = file.infolist()
        assert page.filename == "no-magic-1.2.0/01-tier/one.html"
        assert {other.filename for other in others} == {
            f"no-magic-1.2.0/{name.removeprefix('html/')}" for name in (RUNTIME, *TAUGHT[:2])
        }
        assert page.date_time == (2023, 11, 14, 22, 13, 20)
        assert file.read(page) == b"html/01-tier/one.html"


def test_the_notebooks_unfold_beside_the_programs(made: Path) -> None:
    dist.gather(made)
    with zipfile.ZipFile(made / "build/dist/no-magic-1.2.0-notebooks.zip") as file:
        assert file.read("no-magic-scripts/notebooks/01-tier/one.ipynb")
        assert "no-magic-scripts/scripts/01-tier/one.py" in file.namelist()


def test_the_runs_can_be_taken_in_again(made: Path) -> None:
    dist.gather(made)
    archive = made / "build/dist/no-magic-1.2.0-runs.zip"
    assert editions.take_in(made, all_runs(made), archive) == "1.2.0"
    assert released(made)[archive.name] == archive.read_bytes()


@pytest.mark.parametrize("name", [*MADE[:3], *TAUGHT])
def test_what_is_not_made_is_named_and_nothing_is_lost(
    made: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = released(made)
    (made / "build" / name).unlink()
    monkeypatch.setattr(dist, "ROOT", made)
    monkeypatch.setattr(build, "BUILD", made / "build")
    with pytest.raises(SystemExit, match="is missing; `make dist` makes it"):
        dist.main()
    assert {path.name for path in (made / "build/dist").iterdir()} == first.keys()


def test_stale_runs_are_no_edition(made: Path, recorded: Workshop) -> None:
    recorded.script("one", "print(2)")
    with pytest.raises(BookError, match="missing or stale"):
        dist.gather(made)


# --- The workflows


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=str)
def test_workflows_pin_every_action_and_ask_for_little(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    uses = re.findall(r"uses: *(.+)", text)
    assert uses and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", use) for use in uses), uses
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        builds = any("make" in step.get("run", "") for step in job["steps"])
        assert not (builds and job.get("permissions")), "who builds must not be able to write"
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), "an expression in a script can be an attack"
