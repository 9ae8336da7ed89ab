"""The site as a host would serve it: `make book` comes first (`make test` sees to it)."""

import http.server
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from bs4 import BeautifulSoup

from press import path, site

ROOT = Path(__file__).resolve().parent.parent
LINKS = {"a": "href", "script": "src", "img": "src", "link": "href"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the book that was made."""
    target = tmp_path_factory.mktemp("site") / "site"
    site.gather(ROOT, target)
    return target


@pytest.fixture
def server(folder: Path) -> Iterator[HTTPConnection]:
    """The site on a server of this machine."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    handler.protocol_version = "HTTP/1.1"  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        connection = HTTPConnection("127.0.0.1", served.server_port)
        yield connection
        connection.close()
        served.shutdown()


def links(folder: Path) -> dict[str, str]:
    """The path of whatever a page of the site leads to or loads, and such a page."""
    found = {}
    for page in folder.rglob("*.html"):
        here = f"/{page.relative_to(folder).as_posix()}"
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for tag, attribute in LINKS.items():
            for element in soup.find_all(tag, attrs={attribute: True}):
                url = urlsplit(urljoin(here, element[attribute]))
                if not url.scheme and not url.netloc:
                    found[url.path] = here
    return found


def test_every_link_of_the_site_answers(folder: Path, server: HTTPConnection) -> None:
    found = links(folder)
    chapters = {f"/{stop.document}.html" for stop in path.read(ROOT)}
    assert chapters < found.keys()
    dead = []
    for target, page in found.items():
        server.request("HEAD", target)
        answer = server.getresponse()
        answer.read()
        if answer.status != 200:
            dead.append(f"{page} leads to {target}: {answer.status}")
    assert dead == []


def test_the_catalog_leads_to_every_chapter(folder: Path) -> None:
    catalog = json.loads((folder / "catalog.json").read_text(encoding="utf-8"))
    stops = path.read(ROOT)
    assert [chapter["identity"] for chapter in catalog["chapters"]] == [
        f"nm:{stop.name}" for stop in stops
    ]
    for chapter in catalog["chapters"]:
        assert (folder / chapter["page"]).is_file() and (folder / chapter["pdf"]).is_file()
        assert (ROOT / chapter["script"]).is_file()
        assert chapter["paper"]["title"] and chapter["paper"]["year"], chapter["identity"]
        assert chapter["reading_minutes"] > 5 and chapter["run_seconds"] > 0
    tiers = {tier["tier"] for tier in catalog["tiers"]}
    assert {chapter["tier"] for chapter in catalog["chapters"]} == tiers


def test_llms_txt_names_every_chapter(folder: Path) -> None:
    text = (folder / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# No Magic") and "\n> " in text
    for stop in path.read(ROOT):
        assert f"]({stop.document}.html): {stop.header.teaches}" in text
