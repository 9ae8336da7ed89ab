"""Sections tile the script, whatever it looks like."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder import sections
from recorder.errors import BookError

PATH = Path("/book/scripts/01-tier/one.py")
SCRIPT = '''"""Thesis."""

# === Settings ===
SEED = 1


    # --- A part ---  \n    x = 1
# === Main ===
'''
HEADERS = st.sampled_from(["# === {} ===", "# --- {} ---", "    # --- {} --- \t"])
OTHERS = st.one_of(
    st.sampled_from(
        ["", "  ", "x = 1", "# === No end", "#=== A ===", "# === B --- ", "# ---  ---"]
    ),
    st.text(st.characters(exclude_characters="\r", codec="utf-8"), max_size=20),
)


@st.composite
def scripts(draw: st.DrawFn) -> str:
    """Lines of any kind with headers among them, each title used once."""
    lines = draw(st.lists(st.one_of(OTHERS, st.none()), max_size=30))
    numbered = [
        draw(HEADERS).format(f"Title {n}") if line is None else line for n, line in enumerate(lines)
    ]
    return "\n".join(numbered) + draw(st.sampled_from(["", "\n"]))


@given(scripts())
def test_sections_tile_the_file(source: str) -> None:
    try:
        cut = sections.cut(source, PATH)
    except BookError:  # the text drawn held two headers of one title by chance
        return
    lines = source.split("\n")
    assert "".join(section.text for section in cut) == source
    assert [s.first for s in cut] == [1, *(s.last + 1 for s in cut[:-1])][: len(cut)]
    for section in cut:
        shown = "\n".join(lines[section.first - 1 : section.last_shown])
        assert section.text.rstrip() == shown.rstrip()
        assert section.last_shown == section.first or lines[section.last_shown - 1].strip()
        assert sections.section_at(cut, section.first) == section
        assert sections.section_at(cut, section.last) == section


def test_titles_levels_and_lines() -> None:
    cut = sections.cut(SCRIPT, PATH)
    assert [(s.title, s.level, s.first, s.last, s.last_shown) for s in cut] == [
        ("Docstring", 1, 1, 2, 1),
        ("Settings", 1, 3, 6, 4),
        ("A part", 2, 7, 8, 8),
        ("Main", 1, 9, 9, 9),
    ]


def test_a_form_feed_does_not_cut_a_line() -> None:
    [section] = sections.cut("x = 1\f# === No header ===\n", PATH)
    assert section.title == "Docstring"


def test_a_script_may_begin_with_a_header() -> None:
    assert [s.title for s in sections.cut("# === One ===\n", PATH)] == ["One"]


def test_no_line_no_section() -> None:
    assert sections.cut("", PATH) == []
    with pytest.raises(IndexError, match="no section has a line 10"):
        sections.section_at(sections.cut(SCRIPT, PATH), 10)


def test_a_shared_title_is_an_error_with_both_lines() -> None:
    with pytest.raises(BookError, match=r"scripts/01-tier/one.py .*'Main' \(lines 9 and 10\)"):
        sections.cut(SCRIPT + "# --- Main ---\n", PATH)


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(SCRIPT, encoding="utf-8")
    assert sections.read(path) == sections.cut(SCRIPT, path)
