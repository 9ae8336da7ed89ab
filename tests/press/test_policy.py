"""Each page states what it may load and run, and nothing in a page can widen it."""

import base64
import hashlib

import pytest
from sphinx.errors import ExtensionError

from press.html.policy import policy, stated

HEAD = '<html><head>\n    <meta charset="utf-8" />'


def test_an_inline_script_is_known_by_its_hash() -> None:
    script = "DOCUMENTATION_OPTIONS.pagename = 'index';"
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{known}'" in policy(f"<script>{script}</script>")


@pytest.mark.parametrize(
    "page",
    [
        '<script src="a.js"></script>',
        '<script defer src="a.js"></script>',
        '<script type="application/ld+json">{}</script>',
        "<pre>&lt;script&gt;alert(1)&lt;/script&gt;</pre>",
    ],
)
def test_what_is_no_inline_script_has_no_hash(page: str) -> None:
    assert "sha256" not in policy(page)


def test_nothing_is_allowed_that_is_not_named() -> None:
    rules = policy("").split("; ")
    assert rules[0] == "default-src 'none'"
    assert not any("unsafe" in rule for rule in rules if not rule.startswith("style-src-attr"))
    assert not any("*" in rule or "http" in rule for rule in rules)


def test_what_the_run_panel_needs_and_no_more() -> None:
    """WebAssembly, and a worker of the page's own making: no address, no `eval`."""
    plain, panel = (policy(page).split("; ") for page in ("", '<form class="run" id="run-here">'))
    assert [rule for rule in panel if rule not in plain] == [
        "script-src 'self' file: 'wasm-unsafe-eval'",
        "worker-src blob:",
    ]
    assert [rule for rule in plain if rule not in panel] == ["script-src 'self' file:"]


def test_the_policy_stands_before_all_that_it_governs() -> None:
    page = stated(f"{HEAD}<script>1</script></head></html>")
    assert page.index("Content-Security-Policy") < page.index("<script>")
    assert page == stated(f"{HEAD}<script>1</script></head></html>")


def test_a_piece_of_a_page_stays_as_it_is() -> None:
    assert stated("<nav></nav>") == "<nav></nav>"


def test_a_page_without_a_place_for_it_is_an_error() -> None:
    with pytest.raises(ExtensionError, match="no place for its policy"):
        stated("<html><head><title>x</title></head></html>")
