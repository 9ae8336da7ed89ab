"""What is made of the finished PDF: attachments, where documents stand, chapters and volumes."""

from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, OutlineItem, Pdf

from press import programs
from press.pdf import chapters, typeset, volumes
from press.pdf.volumes import Volume

# Two title pages, the preface on iii, a part on 1, chapter 1 on 2 and 3, chapter 2 on 4, the end.
TARGETS = {"chapter*.3": 2, "part.1": 3, "chapter.1": 4, "here": 5, "chapter.2": 6, "chapter*.9": 7}
AUX = r"""\newlabel{index::doc}{{}{iii}{}{chapter*.3}{}}
\newlabel{01-first/index::doc}{{I}{1}{Pre{fa}ce}{part.1}{}}
\newlabel{01-first/index:first}{{I}{1}{Preface}{part.1}{}}
\newlabel{01-first/alpha::doc}{{1}{2}{How \emph {alpha} works}{chapter.1}{}}
\newlabel{01-first/beta::doc}{{2}{4}{Beta}{chapter.2}{}}
\newlabel{back/solutions::doc}{{2.5}{5}{Solutions}{chapter*.9}{}}
"""


def link(file: Pdf, **action: object) -> pikepdf.Object:
    rect = Array([0, 0, 9, 9])
    note = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=rect, A=Dictionary(**action))
    return file.make_indirect(note)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A PDF of eight pages that links as hyperref does."""
    path = tmp_path / "book.pdf"
    with pikepdf.new() as file:
        for _ in range(8):
            file.add_blank_page()
        names = pikepdf.NameTree.new(file)
        for name, page in TARGETS.items():
            names[name] = Dictionary(D=Array([file.pages[page].obj, Name.Fit]))
        file.Root.Names = Dictionary(Dests=names.obj)
        styles = [0, {"/S": Name.D}, 2, {"/S": Name.r, "/St": 3}, 3, {"/S": Name.D}]
        file.Root.PageLabels = Dictionary(Nums=Array(styles))
        file.pages[4].obj.Annots = Array(
            [
                link(file, S=Name.GoTo, D="here"),
                link(file, S=Name.GoTo, D="chapter.2"),
                link(file, S=Name.URI, URI="https://example.org"),
            ]
        )
        with file.open_outline() as outline:

            def mark(title: str, target: str) -> OutlineItem:
                return OutlineItem(title, action=Dictionary(S=Name.GoTo, D=target))

            part, alpha = mark("I First", "part.1"), mark("1 How alpha works", "chapter.1")
            alpha.children.append(mark("1.1 Here", "here"))
            part.children += [alpha, mark("2 Beta", "chapter.2")]
            outline.root += [mark("Preface", "chapter*.3"), part, mark("Solutions", "chapter*.9")]
        file.save(path)
    return path


def test_a_chapter_ends_where_the_next_document_begins(book: Path) -> None:
    with pikepdf.open(book) as file:
        assert chapters.spans(file, AUX) == {
            "01-first/alpha": chapters.Span(4, 5, ("2", "3")),
            "01-first/beta": chapters.Span(6, 6, ("4", "4")),
        }


def test_the_last_chapter_may_end_the_book(book: Path) -> None:
    aux = "".join(line for line in AUX.splitlines(True) if "back/" not in line)
    with pikepdf.open(book) as file:
        assert chapters.spans(file, aux)["01-first/beta"] == chapters.Span(6, 7, ("4", "5"))


@pytest.fixture
def alpha(book: Path) -> Path:
    """The first chapter, cut out and saved."""
    target = book.with_name("alpha.pdf")
    with pikepdf.open(book) as file:
        chapters.attach(file, "other.zip", b"PK", "another")
        assert chapters.cut(file, chapters.spans(file, AUX)["01-first/alpha"]) == "How alpha works"
        file.save(target)
    return target


def test_a_chapter_keeps_its_page_numbers(alpha: Path) -> None:
    with pikepdf.open(alpha) as file:
        assert [page.label for page in file.pages] == ["2", "3"]


def test_links_within_a_chapter_live_and_none_dangles(alpha: Path) -> None:
    with pikepdf.open(alpha) as file:
        places = dict(pikepdf.NameTree(file.Root.Names.Dests).items())
        assert places.keys() == {"chapter.1", "here"}
        assert places["here"].D[0].objgen == file.pages[1].objgen
        actions = [note.A for note in file.pages[0].obj.Annots]
        assert [str(action.get("/D", "")) for action in actions] == ["here", ""]
        assert str(actions[1].URI) == "https://example.org"


def test_a_chapter_keeps_its_own_bookmarks_and_nothing_of_the_others(alpha: Path) -> None:
    with pikepdf.open(alpha) as file:
        with file.open_outline() as outline:
            [top] = outline.root
            assert (top.title, [item.title for item in top.children]) == (
                "1 How alpha works",
                ["1.1 Here"],
            )
        assert not list(file.attachments)
        pages = [o for o in file.objects if isinstance(o, Dictionary) and o.get("/Type") == "/Page"]
        assert len(pages) == 2
        assert file.Root.OpenAction[0].objgen == file.pages[0].objgen


def test_what_is_attached_comes_out_as_it_went_in(book: Path, tmp_path: Path) -> None:
    with pikepdf.open(book) as file:
        chapters.attach(file, "all.zip", b"PK\r\n", "All of it")
        file.save(tmp_path / "out.pdf")
    with pikepdf.open(tmp_path / "out.pdf") as file:
        attached = file.attachments["all.zip"]
        assert attached.get_file().read_bytes() == b"PK\r\n"
        assert attached.description == "All of it"


def test_chapters_are_the_same_bytes_twice_and_old_ones_go(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chapters' files in build/chapters, with their metadata."""
    monkeypatch.setattr(typeset, "BUILD", tmp_path)
    monkeypatch.setattr(programs, "archive", lambda root, name: name.encode())
    folder = tmp_path / "chapters"
    folder.mkdir()
    (folder / "gone.pdf").touch()
    with pikepdf.open(book) as file:
        spans = chapters.spans(file, AUX)
    made = []
    for _ in range(2):
        typeset.cut_chapters(book, spans, "1700000000")
        assert sorted(path.name for path in folder.iterdir()) == ["alpha.pdf", "beta.pdf"]
        made.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert made[0] == made[1]
    with pikepdf.open(folder / "alpha.pdf") as file:
        assert file.docinfo["/Title"] == "How alpha works"
        assert str(file.docinfo["/Subject"]).endswith("pages 2–3")
        assert "nm:alpha" in str(file.docinfo["/Keywords"])
        assert str(file.Root.Lang) == "en"
        assert list(file.attachments) == ["alpha.zip"]
        assert file.attachments["alpha.zip"].get_file().read_bytes() == b"01-first/alpha"


# --- Volumes

FIRST = Volume(1, "First", "book-1-first.pdf", range(2, 7))
BEHIND = Volume(2, "Solutions and references", "book-2-references.pdf", range(7, 8))


def test_a_volume_a_tier_and_one_behind_them() -> None:
    starts = {"index": 2, "01-first/index": 3, "01-first/alpha": 4, "back/solutions": 7}
    assert volumes.plan(starts, 8, {"01-first": "First"}, "book") == [FIRST, BEHIND]
    more = {"front/preface": 2, "01-a/index": 4, "02-b/index": 6, "back/a": 9, "back/b": 12}
    planned = volumes.plan(more, 20, {"01-a": "A", "02-b": "B"}, "book")
    assert [volume.pages for volume in planned] == [range(2, 6), range(6, 9), range(9, 20)]
    assert planned[1].name == "Volume II: B"


def cut_volume(book: Path, volume: Volume) -> Path:
    target = book.with_name(volume.file)
    with pikepdf.open(book) as file:
        file.pages[7].obj.Annots = Array([link(file, S=Name.GoTo, D="here")])
        volumes.cut(file, volume, [FIRST, BEHIND], chapters.starts(file, AUX))
        file.save(target)
    return target


def test_volumes_open_with_the_title_and_keep_the_numbers_of_pages(book: Path) -> None:
    with pikepdf.open(cut_volume(book, FIRST)) as file:
        assert [page.label for page in file.pages] == ["1", "2", "iii", "1", "2", "3", "4"]
    with pikepdf.open(cut_volume(book, BEHIND)) as file:
        # Page 5 is a right one in the book: an empty left page is put before it.
        assert [page.label for page in file.pages] == ["1", "2", "iii", "5"]
        assert file.pages[2].Contents.read_bytes() == b""


def test_links_lead_from_volume_to_volume(book: Path) -> None:
    with pikepdf.open(cut_volume(book, BEHIND)) as file:
        [action] = [note.A for note in file.pages[3].obj.Annots]
        assert (action.S, str(action.F), str(action.D)) == (Name.GoToR, FIRST.file, "here")
    with pikepdf.open(cut_volume(book, FIRST)) as file:
        assert "here" in pikepdf.NameTree(file.Root.Names.Dests)
        assert [note.A.S for note in file.pages[4].obj.Annots] == [Name.GoTo, Name.GoTo, Name.URI]
