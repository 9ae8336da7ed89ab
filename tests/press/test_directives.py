"""What a chapter may write, what the pages then show, and what is refused with which words."""

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sphinx.errors import ConfigError

from recorder import child, plan, records
from tests.small_book import ALPHA, ALPHA_RUN, CONF, SmallBook

A, B = "book/01-first/alpha.md", "book/02-second/beta.md"
LISTING = "```{{listing}} {}\n```\n"


@pytest.fixture
def book(tmp_path: Path) -> SmallBook:
    return SmallBook(tmp_path)


# --- A sound book


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_sound_book_builds_without_a_warning(book: SmallBook, parallel: int) -> None:
    assert book.build("html", parallel) == []
    assert book.build("latex", parallel) == []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SmallBook:
    """A sound book, in HTML and LaTeX; tests only look at it."""
    book = SmallBook(tmp_path_factory.mktemp("built"))
    book.build("html")
    book.build("latex")
    return book


def test_a_listing_has_true_line_numbers_and_its_caption_gives_the_programs(
    built: SmallBook,
) -> None:
    page = built.page("01-first/alpha")
    listing = page.split('id="lst-alpha-add"')[1].split("</pre>")[0]
    assert "Listing 1.3" in listing and "Add, " in listing
    assert [f'linenos">{line}<' in listing for line in (5, 6, 8, 9)] == [False, True, True, False]
    file = listing.split('href="../')[1].split('"')[0]
    with zipfile.ZipFile(built.root / "build/html" / file) as programs:
        script = programs.read("no-magic-scripts/scripts/01-first/alpha.py")
    assert script.decode() == ALPHA
    assert "{Add, \\DUrole{script}{\\sphinxcode{\\sphinxupquote{alpha.py}}}}" in built.tex()
    assert "numbers=left,firstnumber=6," in built.tex()


def test_a_carried_section_refers_to_the_listing_that_prints_it(built: SmallBook) -> None:
    page = built.page("02-second/beta")
    assert "lst-beta-add" not in page
    carried = page.split('class="carried')[1].split("</div>")[0]
    assert 'href="../01-first/alpha.html#lst-alpha-add"' in carried
    assert "Listing 1.3" in carried and "lines 6–8" in carried


def test_facts_are_printed_as_the_run_printed_them(built: SmallBook) -> None:
    page = built.page("01-first/alpha")
    assert '<span class="fact">0.500</span>' in page
    assert '<span class="fact">40.0</span>' in page
    assert '<span class="fact">1000</span>' in built.page("back/solutions")


def test_a_fact_keeps_its_quotes_and_dashes(book: SmallBook) -> None:
    book.record("02-second/beta", "beta 'is' 1--2\n")
    book.change(B, "'^(beta)$'", '"^beta (.*)$"')
    book.change(B, "# Beta\n", "# Beta\n\n{fact}`word`\n")
    assert book.build() == []
    assert "<span class=\"fact\">'is' 1--2</span>" in book.page("02-second/beta")


def test_a_true_claim_prints_a_mark_that_tells_the_numbers(built: SmallBook) -> None:
    page = built.page("01-first/alpha")
    first = page.split('<span class="claim">')[1].split("</span></span>")[0]
    assert 'popovertarget="claim-1" title="0.500 &lt; 0.90"' in first
    assert 'id="claim-1" popover="auto"><span><code>loss &lt; names</code></span>' in first
    assert first.endswith("<span>0.500 &lt; 0.90</span>".removesuffix("</span>"))
    assert r"\claimmark{1}\nmchecked{1}{.5 \textless{} .9}" in built.tex()


def test_a_whole_transcript_has_its_provenance(built: SmallBook) -> None:
    page = built.page("01-first/alpha")
    whole, piece, experiment = page.split('<div class="transcript">')[1:]
    assert "Output of" in whole and "scripts/01-first/alpha.py" in whole
    told = (
        "Recorded on 2 November 2026 with CPython 3.11.2 on A Fine CPU, Linux x86_64: "
        "41.3 s of user time."
    )
    assert told in whole and told in experiment and "Recorded" not in piece
    assert "linenos" not in whole
    assert "experiment no-add" in experiment and "False" in experiment
    assert "\\begin{nmtranscript}{1.000}\n\\nmtranscriptcaption{Output of" in built.tex()


def test_a_piece_of_a_transcript_ends_where_it_is_told(built: SmallBook) -> None:
    piece = built.page("01-first/alpha").split('<div class="transcript">')[2]
    assert "From the output of" in piece
    text = piece.split("<span></span>")[1].split("</pre>")[0]
    assert text == "names | 0.90\nloss  | 0.500\nsteps | 1,000\n"


def test_a_figure_is_shown_light_and_dark_on_screen_and_once_in_print(built: SmallBook) -> None:
    figure = built.page("01-first/alpha").split('id="fig-alpha-learning-curves"')[1]
    figure = figure.split("</figure>")[0]
    # The theme hides a caption that has a hidden image among its elder siblings.
    assert figure.index("</div>") < figure.index("<figcaption>")
    assert figure.count("<img") == 2 and figure.count('alt="A line that falls."') == 2
    assert 'class="only-light" src="../_images/alpha-learning-curves.svg"' in figure
    assert 'class="only-dark" src="../_images/alpha-learning-curves-dark.svg"' in figure
    assert 'A line that falls to <span class="fact">0.500</span>.' in figure
    assert built.tex().count("\\sphinxincludegraphics") == 1
    assert "{{alpha-learning-curves}.pdf}" in built.tex()


def test_numbers_run_through_the_tiers(built: SmallBook) -> None:
    alpha, beta = built.page("01-first/alpha"), built.page("02-second/beta")
    assert '<span class="section-number">1. </span>Alpha' in alpha
    assert '<span class="section-number">1.1. </span>The walk' in alpha
    assert "<h3>Deeper" in alpha
    assert '<span class="section-number">2. </span>Beta' in beta
    for number in ("Listing 2.1", "Listing 2.2", "Exercise 2.1"):
        assert number in beta
    for number in ("Fig. 1.1", "Listing 1.2", "(1.1)"):
        assert number in beta  # as Beta refers to them
    assert "Solution to<a" in built.page("back/solutions")
    assert "Exercise 2.1 (Another)" in built.page("back/solutions")
    assert "Exercise 2.1 (Another)" in built.tex()
    for page in ("front/preface", "back/solutions", "01-first/index"):
        assert "<h1><span" not in built.page(page)
    assert '"previous chapter"><span class="section-number">2. </span>Beta' in built.page(
        "back/solutions"
    )
    contents = built.page("index")
    for entry in (">First<", ">1. Alpha<", ">1.1. The walk<", ">Deeper<", ">Second<", ">2. Beta<"):
        assert entry in contents


def test_works_are_cited_by_author_and_year(built: SmallBook) -> None:
    assert "Kingma and Ba (<a" in built.page("01-first/alpha")
    beta = built.page("02-second/beta")
    assert ">A <em>et al.</em>, 2018</a>; <a" in beta and ">Kingma and Ba, 2015</a>)" in beta
    works = built.page("back/bibliography")
    assert works.index("A et al., 2018") < works.index("Kingma and Ba, 2015")


def test_a_bibliography_that_breaks_off_is_told_in_a_sentence(book: SmallBook) -> None:
    references = (book.root / "references.bib").read_text(encoding="utf-8")
    book.write("references.bib", references.rstrip().removesuffix("}") + "\n\n@misc{late,\n}\n")
    with pytest.raises(ConfigError, match=r"^references\.bib, line \d+: .*; close the entry"):
        book.build()


def test_works_of_one_author_and_year_get_letters(book: SmallBook) -> None:
    references = (book.root / "references.bib").read_text(encoding="utf-8")
    adam = next(line for line in references.splitlines() if "{adam," in line)
    book.write("references.bib", references + adam.replace("{adam,", "{basic,"))
    book.change("book/02-second/beta.md", "{cite:p}`", "{cite:t}`basic` {cite:p}`")
    assert book.build() == []
    assert "Kingma and Ba (<a" in book.page("02-second/beta")
    assert ">2015b</a>)" in book.page("02-second/beta")
    assert ">2015a</a>)" in book.page("01-first/alpha")
    works = book.page("back/bibliography")
    assert works.index("Kingma and Ba, 2015a") < works.index("Kingma and Ba, 2015b")
    book.write("book/index.md", (book.root / "book/index.md").read_text(encoding="utf-8"))
    assert book.build() == []
    assert "2015aa" not in book.page("01-first/alpha")


# --- Builds after a change


@pytest.mark.parametrize(
    ("path", "stale"),
    [
        ("scripts/01-first/alpha.py", ["01-first/alpha"]),
        ("scripts/02-second/beta.py", ["02-second/beta"]),
        ("build/runs/01-first/alpha.txt", ["01-first/alpha", "back/solutions"]),
        ("build/runs/01-first/alpha--no-add.json", ["01-first/alpha", "back/solutions"]),
        ("build/runs/02-second/beta.txt", ["02-second/beta"]),
        ("build/figures/01-first/alpha-learning-curves-dark.svg", ["01-first/alpha"]),
        (A, ["01-first/alpha"]),
        (B, ["02-second/beta"]),
        ("references.bib", ["back/bibliography"]),
    ],
)
def test_only_the_pages_that_show_a_file_are_read_again(
    book: SmallBook, path: str, stale: list[str]
) -> None:
    book.build()
    assert book.build() == [] and book.read == []
    book.write(path, (book.root / path).read_text(encoding="utf-8"))
    assert book.build() == [] and book.read == stale


def test_only_an_edit_of_the_header_or_the_title_reaches_other_pages(book: SmallBook) -> None:
    book.build()
    book.change(A, "the gain", "the whole gain")
    assert book.build() == [] and book.read == ["01-first/alpha"]
    book.change(
        "book/01-first/alpha.md",
        "  steps: ",
        "  paces: 'steps'\n  steps: ".replace("'steps'", r"'steps \| (\d)'"),
    )
    assert book.build() == [] and book.read == ["01-first/alpha", "back/solutions"]
    book.change(A, "# Alpha", "# Another alpha")
    assert book.build() == [] and book.read == ["01-first/alpha", "back/solutions"]


def test_only_the_pages_that_changed_are_written_again(book: SmallBook) -> None:
    book.build()
    before = book.written()
    book.change("scripts/02-second/beta.py", 'print("beta")', 'print("beta", 1)')
    book.build()
    changed = {page for page, time in book.written().items() if time != before[page]}
    assert changed == {"02-second/beta.html", "02-second/index.html"}


def test_a_page_follows_the_numbers_that_it_refers_to(book: SmallBook) -> None:
    book.build()
    book.write("book/01-first/aaa.md", "---\npaper: adam\n---\n# A {cite:p}`adam`\n")
    book.write("scripts/01-first/aaa.py", "")
    book.change("book/01-first/index.md", "alpha", "aaa\nalpha")
    assert book.build() == []
    assert book.read == ["01-first/aaa", "01-first/index"]
    beta = book.page("02-second/beta")
    assert "3. </span>Beta" in beta and "Listing 2.2" in beta and "Listing 3.1" in beta


def test_a_mended_fact_is_seen_on_the_next_build(book: SmallBook) -> None:
    book.record("01-first/alpha", ALPHA_RUN.replace("0.500", "0.950"))
    assert any("is false" in line for line in book.build())
    book.record("01-first/alpha", ALPHA_RUN.replace("0.500", "0.450"))
    assert book.build() == []
    assert '<span class="fact">0.450</span>' in book.page("01-first/alpha")


@pytest.mark.parametrize(
    "path",
    [
        "scripts/02-second/beta.py",
        "build/runs/01-first/alpha.json",
        "build/figures/01-first/alpha-learning-curves.pdf",
    ],
)
def test_what_was_missing_is_seen_on_the_next_build(book: SmallBook, path: str) -> None:
    text = (book.root / path).read_text(encoding="utf-8")
    (book.root / path).unlink()
    assert book.build() != []
    book.write(path, text)
    assert book.build() == [] and book.read != []


# --- What is refused

Change = Callable[[SmallBook], None]


def swap(path: str, old: str, new: str) -> Change:
    return lambda book: book.change(path, old, new)


def drop(path: str) -> Change:
    return lambda book: (book.root / path).unlink()


def record(name: str, text: str) -> Change:
    return lambda book: book.record(name, text)


REFUSED = {
    "a section missing": (
        swap(A, LISTING.format("Add"), ""),
        "book/01-first/alpha.md: WARNING: the section 'Add' of scripts/01-first/alpha.py, lines 6 "
        "to 8, is never shown in book/01-first/alpha.md; give it a listing",
    ),
    "a section doubled": (
        swap(A, LISTING.format("Add"), LISTING.format("Add") * 2),
        "book/01-first/alpha.md:28: WARNING: the section 'Add' of scripts/01-first/alpha.py is "
        "shown a second time",
    ),
    "sections out of order": (
        swap(
            A,
            LISTING.format("The tape") + "\n" + LISTING.format("Add"),
            LISTING.format("Add") + "\n" + LISTING.format("The tape"),
        ),
        "book/01-first/alpha.md:26: WARNING: the section 'The tape' of scripts/01-first/alpha.py "
        "is shown after 'Add', which it precedes in the script; show the sections in the script's "
        "order",
    ),
    "a section misspelt": (
        swap(A, "{listing} The tape", "{listing} The tapes"),
        "book/01-first/alpha.md:23: WARNING: scripts/01-first/alpha.py has no section 'The tapes'; "
        "did you mean 'The tape'?",
    ),
    "a carried section misspelt": (
        swap(B, "The tape\nAdd", "The tape\nAd"),
        "book/02-second/beta.md:16: WARNING: scripts/02-second/beta.py has no section 'Ad'; did "
        "you mean 'Add'?",
    ),
    "two sections of one title that differ": (
        swap("scripts/02-second/beta.py", "a + b", "b + a"),
        "book/02-second/beta.md:16: WARNING: the section 'Add' of scripts/02-second/beta.py "
        "differs from the one of scripts/01-first/alpha.py; make them equal byte for byte, or "
        "give one a title of its own",
    ),
    "a known section printed again": (
        swap(B, "Add\n```", "```\n\n" + LISTING.format("Add")),
        "book/02-second/beta.md:18: WARNING: the section 'Add' of scripts/02-second/beta.py is "
        "printed in book/01-first/alpha.md already; make it carried",
    ),
    "a carried section that no chapter prints": (
        swap(A, LISTING.format("Add"), "```{carried}\nAdd\n```"),
        "book/01-first/alpha.md:27: WARNING: the section 'Add' of scripts/01-first/alpha.py is "
        "carried, but no earlier chapter prints it; list it",
    ),
    "nothing carried": (
        swap("book/front/preface.md", "Hello.", "```{carried}\n```"),
        "book/front/preface.md:3: WARNING: nothing is carried; name a section",
    ),
    "a chapter without a script": (
        drop("scripts/02-second/beta.py"),
        "book/02-second/beta.md:11: WARNING: the chapter book/02-second/beta.md has no script; "
        "write scripts/02-second/beta.py",
    ),
    "a listing outside a chapter": (
        swap("book/front/preface.md", "Hello.", LISTING.format("Add")),
        "book/front/preface.md:3: WARNING: book/front/preface.md is no chapter and has no script "
        "of its own; name the script that is meant",
    ),
    "a fact whose pattern never matches": (
        swap(A, "names: 'names", "names: 'nomes"),
        "book/01-first/alpha.md:15: WARNING: the fact 'names' of book/01-first/alpha.md: The "
        r"pattern 'nomes \\| (\\d\\.\\d+)' must match runs/01-first/alpha.txt once, but matches "
        "never.",
    ),
    "a fact whose pattern matches twice": (
        record("01-first/alpha--no-add", "loss | 0.700\n\nloss | 0.800\n"),
        "book/01-first/alpha.md:15: WARNING: the fact 'loss_no_add' of book/01-first/alpha.md: The "
        r"pattern 'loss +\\| (\\d\\.\\d+)' must match runs/01-first/alpha--no-add.txt once, but "
        "matches 2 times:",
        "  line 1: loss | 0.700",
        "  line 3: loss | 0.800",
    ),
    "a fact that no text uses": (
        record("02-second/beta", "gamma\n"),
        "book/02-second/beta.md: WARNING: the fact 'word' of book/02-second/beta.md: The pattern "
        "'^(beta)$' must match runs/02-second/beta.txt once, but matches never.",
    ),
    "a fact misspelt": (
        swap(A, "{fact}`loss`", "{fact}`los`"),
        "book/01-first/alpha.md:15: WARNING: the header of book/01-first/alpha.md has no fact "
        "'los'; did you mean 'loss'?",
    ),
    "a fact of an unknown chapter": (
        swap("book/back/solutions.md", "alpha:loss", "alfa:loss"),
        "book/back/solutions.md:3: WARNING: the book has no chapter 'alfa'; did you mean 'alpha'?",
    ),
    "a header that is not sound": (
        swap(A, "paper: adam", "papers: adam"),
        "book/01-first/alpha.md:15: WARNING: book/01-first/alpha.md: the header has an unknown key "
        "'papers'",
    ),
    "no transcript": (
        drop("build/runs/01-first/alpha--no-add.txt"),
        "book/01-first/alpha.md:15: WARNING: 01-first/alpha--no-add has no transcript yet; run "
        "`make runs`.",
    ),
    "a transcript altered": (
        lambda book: book.write("build/runs/02-second/beta.txt", "beta\n\n"),
        "book/02-second/beta.md: WARNING: runs/02-second/beta.txt is not what its record vouches "
        "for; run `make runs` again.",
    ),
    "arithmetic without a format": (
        swap(A, "{fact}`loss`", "{fact}`2 * loss`"),
        "book/01-first/alpha.md:15: WARNING: {fact}`2 * loss` computes a number; say how to print "
        "it, as in {fact}`2 * loss | .1f`",
    ),
    "a format that is none": (
        swap(A, "{fact}`loss`", "{fact}`2 * loss | wide`"),
        "book/01-first/alpha.md:15: WARNING: 'wide' in {fact}`2 * loss | wide` formats no number; "
        "write .1f or 0.1f, +.1f, ,.0f, .1% or .1e",
    ),
    "a claim that is false": (
        swap(A, "{claim}`loss < names`", "{claim}`names < 1 and 100 * loss < names + 1`"),
        "book/01-first/alpha.md:15: WARNING: the claim names < 1 and 100 * loss < names + 1 is "
        "false: 0.90 < 1 and 100 × 0.500 < 0.90 + 1",
    ),
    "a claim that compares nothing": (
        swap(A, "{claim}`loss < names`", "{claim}`loss`"),
        "book/01-first/alpha.md:15: WARNING: 'loss' is no comparison; write a < b, or several with "
        "'and'",
    ),
    "a piece of a transcript that begins nowhere": (
        swap(A, ":from: ^names", ":from: ^nomes"),
        "book/01-first/alpha.md:37: WARNING: :from: ^nomes matches no line of "
        "runs/01-first/alpha.txt",
    ),
    "a piece of a transcript that ends before it begins": (
        swap(A, ":to: ^steps", ":to: ^start"),
        "book/01-first/alpha.md:37: WARNING: :to: ^start matches no line of "
        "runs/01-first/alpha.txt after line 2",
    ),
    "a piece of a transcript by no pattern": (
        swap(A, ":to: ^steps", ":to: (steps"),
        "book/01-first/alpha.md:37: WARNING: :to: (steps is no regular expression: missing ), "
        "unterminated subpattern at position 0",
    ),
    "an unknown experiment": (
        swap(A, ":experiment: no-add", ":experiment: no-adds"),
        "book/01-first/alpha.md:42: WARNING: the header of book/01-first/alpha.md has no "
        "experiment 'no-adds'; did you mean 'no-add'?",
    ),
    "a figure not drawn": (
        drop("build/figures/01-first/alpha-learning-curves-dark.svg"),
        "book/01-first/alpha.md:46: WARNING: the figure "
        "build/figures/01-first/alpha-learning-curves-dark.svg is not there; run `make figures`, "
        "which calls learning_curves() of book/figures/01-first/alpha.py",
    ),
    "a figure without a text for who cannot see it": (
        swap(A, ":alt: A line that falls.\n", ""),
        "book/01-first/alpha.md:46: WARNING: the figure 'learning-curves' has no text for who "
        "cannot see it; add :alt:",
    ),
    "a figure without a caption": (
        swap(A, "A line that falls to {fact}`loss`.\n", ""),
        "book/01-first/alpha.md:46: WARNING: the figure 'learning-curves' needs a caption, of one "
        "paragraph",
    ),
    "a chapter that names no paper": (
        swap(A, "paper: adam\n", ""),
        "book/01-first/alpha.md: WARNING: the header names no original paper; add a line 'paper: "
        "<key of references.bib>'",
    ),
    "a chapter that does not cite its paper": (
        swap(B, "paper: gpt", "paper: gtp"),
        "book/02-second/beta.md: WARNING: the chapter does not cite its original paper 'gtp'; cite "
        "it with {cite:p}`gtp`",
    ),
    "an entry that nobody cites": (
        swap("references.bib", "@article{adam", "@misc{alone, title={Alone}}\n@article{adam"),
        "references.bib:2: WARNING: no page cites 'alone'; cite it or remove it",
    ),
    "a citation without an entry": (
        swap(B, "{cite:p}`gpt,adam`", "{cite:p}`gpt,adam,eve`"),
        'book/02-second/beta.md:8: WARNING: could not find bibtex key "eve" [bibtex.key_not_found]',
    ),
    "a cross-reference to nothing": (
        swap(B, "lst-alpha-the-tape", "lst-alpha-no-tape"),
        "book/02-second/beta.md:8: WARNING: undefined label: 'lst-alpha-no-tape' [ref.numref]",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_and_how(book: SmallBook, what: str) -> None:
    change, *words = REFUSED[what]
    change(book)
    warnings = "\n".join(book.build())
    assert "\n".join(words) in warnings


@pytest.mark.parametrize("builder", ["html", "latex"])
@pytest.mark.parametrize(
    "what", ["a section missing", "a claim that is false", "a figure not drawn"]
)
def test_what_is_refused_in_parallel(book: SmallBook, what: str, builder: str) -> None:
    change, *words = REFUSED[what]
    change(book)
    assert "\n".join(words) in "\n".join(book.build(builder, parallel=2))


def test_what_has_other_bytes_and_the_old_date_is_read_again(book: SmallBook) -> None:
    conf = (book.root / "book" / "conf.py").read_text()
    book.write("book/conf.py", f'{conf}extensions.append("press.directives.changed")\n')
    assert book.build() == []
    for path in (A, "scripts/01-first/alpha.py"):  # the chapter, and what it depends on
        before = (book.root / path).stat()
        book.change(path, "Alpha", "Omega")
        os.utime(book.root / path, ns=(before.st_atime_ns, before.st_mtime_ns))
        book.build()
        assert "01-first/alpha" in book.read
    book.build()
    assert book.read == []


@pytest.mark.parametrize(("rows", "words"), [(40, 9), (15, 50), (30, 1)])
def test_pages_can_break_a_long_table(book: SmallBook, rows: int, words: int) -> None:
    lines = "".join(f"| {row} | {'word ' * words} |\n" for row in range(rows))
    preface = book.root / "book" / "front" / "preface.md"
    book.write("book/front/preface.md", f"{preface.read_text()}\n| no. | it |\n|--:|---|\n{lines}")
    conf = (book.root / "book" / "conf.py").read_text()
    book.write("book/conf.py", f'{conf}extensions.append("press.pdf.latex")\n')
    assert book.build("latex") == []
    assert "\\begin{longtable}{r\\X{" in book.tex()


def test_print_says_once_a_document_where_another_one_stands(book: SmallBook) -> None:
    """By its volume too, if that is another: a tier's, the first one's of what stands before it."""
    conf = (book.root / "book" / "conf.py").read_text()
    book.write("book/conf.py", f'{conf}extensions.append("press.pdf.latex")\n')
    links = "\n\n{doc}`alpha </01-first/alpha>`, {doc}`beta </02-second/beta>`.\n"
    for page in ("front/preface", "01-first/alpha", "02-second/beta", "back/solutions"):
        text = (book.root / "book" / f"{page}.md").read_text(encoding="utf-8")
        book.write(f"book/{page}.md", text + 2 * links)
    book.build("latex")
    assert re.findall(r"\\nmpage\{(.*?)\}\{(.*?)::doc\}", book.tex()) == [
        ("", "01-first/alpha"),
        ("II", "02-second/beta"),
        ("II", "02-second/beta"),
        ("I", "01-first/alpha"),
        ("I", "01-first/alpha"),
        ("II", "02-second/beta"),
    ]


def test_a_bar_in_a_table_is_written_with_a_backslash(book: SmallBook) -> None:
    table = "\n\n| loss |\n|---|\n| {fact}`1 * loss %s .1f` |\n"
    page = (book.root / A).read_text(encoding="utf-8")
    book.write(A, page + table % "\\|")
    assert book.build() == []
    assert '<span class="fact">.5</span>' in book.page("01-first/alpha")
    book.write(A, page + table % "|")
    [said] = book.build()
    assert "{fact}` is not closed where it stands; in a table, write \\| for |" in said


# --- Drafts


@pytest.fixture
def draft(book: SmallBook) -> SmallBook:
    """A book of which a setting was changed, and then the main run alone was made again."""
    book.write("book/conf.py", f"{CONF}draft = True\n")
    source = f"{ALPHA}STEPS = 9\n"
    book.write("scripts/01-first/alpha.py", source)
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "A book"]):
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(book.root), *who, *command], check=True)
    book.write("scripts/data/SHA256SUMS", "")
    runs = {run.label: run for run in plan.all_runs(book.root)}
    for run in runs.values():
        renew(run, run.transcript.read_text(encoding="utf-8"))
    records.set_aside(runs["01-first/alpha"])
    book.write("scripts/01-first/alpha.py", source.replace("9", "2"))
    renew(runs["01-first/alpha"], ALPHA_RUN.replace("0.500", "0.950"))
    return book


def renew(run: plan.Run, printed: str) -> None:
    """Have a run that is fresh, and printed this."""
    outcome = child.Outcome(0, False, printed.encode(), b"", {}, 1.0, 1)
    records.keep(run, records.made(run, records.begun(run), outcome, {}), printed.encode())


def test_a_draft_crosses_out_false_claims_with_both_numbers_and_lists_them(
    draft: SmallBook, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draft.build() == []
    page = draft.page("01-first/alpha")
    assert '[<span class="gone">loss &lt; names</span> now 0.950 &lt; 0.90; before 0.500' in page
    assert "loss_no_add &gt; loss</span> now 0.700 &gt; 0.950; before 0.700 &gt; 0.500" in page
    assert capsys.readouterr().out == (
        "Claims that do not hold in this draft: 2\n"
        "  book/01-first/alpha.md\n"
        "    loss < names: now 0.950 < 0.90; before 0.500 < 0.90\n"
        "    loss_no_add > loss: now 0.700 > 0.950; before 0.700 > 0.500\n"
    )


def test_a_draft_says_what_differs_from_the_book_and_marks_what_was_not_run_again(
    draft: SmallBook,
) -> None:
    draft.change(A, "# Alpha", "# Alpha\n\n{fact}`loss_no_add` and {fact}`nothing`")
    [said] = draft.build()
    assert "has no fact 'nothing'" in said
    page = draft.page("01-first/alpha")
    [line] = re.findall("This page is a draft.*", page)
    assert "scripts/01-first/alpha.py has STEPS = 2 instead of 9." in line
    assert "Not run again: no-add." in line
    assert "not repeated are marked: 1." in line and "cannot be read, is marked: 3." in line
    assert page.index("<h1>") < page.index("This page is a draft") < page.index("<h2>")
    assert '<span class="fact stale">0.700</span>' in page
    assert '<span class="fact">0.950</span>' in page
    assert "This page is a draft" not in draft.page("02-second/beta")
    assert '<span class="fact">0.950</span>' in draft.page("back/solutions")


def test_a_draft_that_was_taken_back_reads_its_pages_again(draft: SmallBook) -> None:
    draft.build()
    draft.change("scripts/01-first/alpha.py", "STEPS = 2", "STEPS = 9")
    shutil.copytree(
        draft.root / "build/was/build/runs", draft.root / "build/runs", dirs_exist_ok=True
    )
    shutil.rmtree(draft.root / "build/was")
    assert draft.build() == []
    assert "This page is a draft" not in draft.page("01-first/alpha")


def test_a_page_of_the_book_is_no_draft(built: SmallBook) -> None:
    assert "This page is a draft" not in built.page("01-first/alpha")


# --- The first page


def test_the_first_page_offers_what_is_made(tmp_path: Path) -> None:
    """The programs and the cards always, the PDF once it is there."""
    book = SmallBook(tmp_path)
    book.write("book/conf.py", f'{CONF}\nextensions += ["press.directives.formats"]\n')
    book.change("book/index.md", "# Book\n", "# Book\n\n```{formats}\n```\n")
    assert book.build() == []
    first = book.page("index")
    assert 'href="no-magic-scripts.zip"' in first and "no-magic.pdf" not in first
    assert 'href="no-magic-cards.apkg"' in first and 'href="no-magic-cards.csv"' in first
    for name in ("no-magic.pdf", "volumes/no-magic-1-first.pdf", "volumes/no-magic-2-rest.pdf"):
        book.write(f"build/{name}", "%PDF")
    assert book.build() == []
    first = book.page("index")
    assert 'href="no-magic.pdf"' in first
    assert re.findall(r'href="(no-magic-\d.*?)">([^<]*)<', first) == [
        ("no-magic-1-first.pdf", "I first"),
        ("no-magic-2-rest.pdf", "II rest"),
    ]
