#!/usr/bin/env python3
"""Checks messages.jsonl: schema, uniqueness, check digits of the invented personal data, and that the expectations
fit the scripts and the triage map beside it.

    check_messages.py                            the file beside this script
    check_messages.py --train a.jsonl b.jsonl.gz also: no message is (nearly) one of these training texts

Exit code 0 when all holds; else each fault is one line and the exit code is 1.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import unicodedata
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROUTES = {"script", "small", "large", "human"}
PII_TYPES = {"card", "iban", "email", "phone", "ssn", "api_key"}
LANGUAGE = re.compile(r"[a-z]{2}")
FIELDS = {"id", "text", "lang", "expect", "expect_intent", "pii", "pii_values", "note"}
REQUIRED = FIELDS - {"expect_intent", "pii_values"}
MAX_TEXT = 2000
# Numbers that are deliberately wrong in a message and therefore are nobody's data.
DELIBERATELY_INVALID = {"BE68539007547043"}

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){10,30}\b")


def luhn(number: str) -> bool:
    digits = [int(c) for c in reversed(number)]
    return sum(d if i % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(digits)) % 10 == 0


def iban_valid(iban: str) -> bool:
    """ISO 13616: first four characters to the end, letters as 10..35, modulo 97 is 1."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def value_valid(kind: str, value: str) -> bool:
    packed = re.sub(r"[ -]", "", value)
    if kind == "card":
        return 13 <= len(packed) <= 19 and packed.isdigit() and luhn(packed)
    if kind == "iban":
        return iban_valid(packed)
    if kind == "email":
        # RFC 2606 and its country-code cousins: nobody receives mail there.
        return (
            re.fullmatch(EMAIL, value) is not None and re.search(r"@(?:[\w-]+\.)?example\.[a-z.]+$", value) is not None
        )
    if kind == "phone":
        return 7 <= len(re.sub(r"\D", "", value)) <= 15
    if kind == "ssn":
        return re.fullmatch(r"\d{3}[- ]\d{2}[- ]\d{4}", value) is not None
    return len(value) >= 16 and " " not in value


def folded(text: str) -> str:
    """The text as a reader who ignores case, accents, punctuation and spacing sees it."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))) or text


def schema_faults(m: dict) -> list[str]:
    faults = [f"missing field {name}" for name in sorted(REQUIRED - m.keys())]
    faults += [f"unknown field {name}" for name in sorted(m.keys() - FIELDS)]
    if faults:
        return faults
    if not isinstance(m["text"], str) or not 0 < len(m["text"]) <= MAX_TEXT:
        faults.append("text is empty, too long or no string")
    if not LANGUAGE.fullmatch(m["lang"]):
        faults.append(f"lang {m['lang']!r} is no two-letter code")
    if not m["expect"] or not set(m["expect"]) <= ROUTES or len(set(m["expect"])) != len(m["expect"]):
        faults.append(f"expect {m['expect']} must name routes of {sorted(ROUTES)}, each once")
    if not set(m["pii"]) <= PII_TYPES:
        faults.append(f"pii {m['pii']} must be of {sorted(PII_TYPES)}")
    if len(m["pii"]) != len(m.get("pii_values", [])):
        faults.append("pii and pii_values differ in length")
    return faults


def pii_faults(m: dict) -> list[str]:
    faults = []
    declared = m.get("pii_values", [])
    for kind, value in zip(m["pii"], declared):
        if value not in m["text"]:
            faults.append(f"{kind} value is not in the text")
        if not value_valid(kind, value):
            faults.append(f"{kind} {value!r} is not a valid test value")
    rest = m["text"]
    for value in declared:
        rest = rest.replace(value, " ")
    for kind, pattern in (("email", EMAIL), ("iban", IBAN), ("card", CARD)):
        for hit in pattern.findall(rest):
            packed = re.sub(r"[ -]", "", hit)
            if packed not in DELIBERATELY_INVALID and value_valid(kind, hit):
                faults.append(f"{kind} in the text is not declared under pii")
    return faults


def intent_faults(m: dict, triage: dict, scripts: dict) -> list[str]:
    faults = []
    mapped = triage["scripts"]
    for intent in m.get("expect_intent", []):
        if not re.fullmatch(r"(b77|c150):\w+", intent):
            faults.append(f"expect_intent {intent!r} is no label of the training data")
        elif m["expect"] == ["script"] and mapped.get(intent) not in scripts:
            faults.append(f"expects a script, but {intent} has none")
        elif m["expect"] == ["human"] and intent in mapped:
            faults.append(f"expects a person, but {intent} has a script")
    return faults


def used_scripts(triage: dict) -> list[tuple[str, str]]:
    """(what leads to it, script name)"""
    return [*triage["scripts"].items(), *((f"rule {r['name']}", r["script"]) for r in triage["rules"] if "script" in r)]


def training_texts(paths: list[str]):
    for path in paths:
        opener = gzip.open if path.endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]


def trigrams(text: str) -> set[str]:
    return {text[i : i + 3] for i in range(max(1, len(text) - 2))}


def copied(messages: list[dict], paths: list[str], limit: float = 0.9) -> list[str]:
    """Messages that are a training text but for case, accents, spacing or a letter or two (Jaccard of trigrams)."""
    mine = {folded(m["text"]): m["id"] for m in messages if len(m["text"]) > 12}
    grams = {text: trigrams(text) for text in mine}
    faults = []
    for text in training_texts(paths):
        other = folded(text)
        if other in mine:
            faults.append(f"{mine[other]}: is a training text")
            continue
        theirs = trigrams(other)
        for text_, gram in grams.items():
            # The smaller set can at most be contained in the larger: most pairs end here, before the set is built.
            small, large = sorted((len(gram), len(theirs)))
            if small >= limit * large and len(gram & theirs) >= limit * len(gram | theirs):
                faults.append(f"{mine[text_]}: is nearly a training text")
    return sorted(set(faults))


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the support desk's messages.")
    parser.add_argument("--file", type=Path, default=HERE / "messages.jsonl")
    parser.add_argument(
        "--train", nargs="*", default=[], help="JSON lines (or .gz) with a 'text' that must not occur here"
    )
    args = parser.parse_args()

    messages = [json.loads(line) for line in args.file.read_text(encoding="utf-8").splitlines()]
    triage = yaml.safe_load((HERE / "triage.yaml").read_text(encoding="utf-8"))
    scripts = yaml.safe_load((HERE / "scripts/scripts.yaml").read_text(encoding="utf-8"))

    faults = [
        f"triage.yaml: {intent} names the script {name}, which is not in scripts.yaml"
        for intent, name in used_scripts(triage)
        if name not in scripts
    ]
    unused = sorted(scripts.keys() - {name for _, name in used_scripts(triage)})
    faults += [f"scripts.yaml: nothing leads to {name}" for name in unused]
    faults += [
        f"scripts.yaml: {name}: {script['file']} does not exist"
        for name, script in scripts.items()
        if "file" in script and not (HERE / "scripts" / script["file"]).is_file()
    ]
    ids, texts = set(), {}
    for m in messages:
        name = m.get("id", "?")
        found = schema_faults(m)
        if not found:
            found = pii_faults(m) + intent_faults(m, triage, scripts)
            if name in ids:
                found.append("id occurs twice")
            if folded(m["text"]) in texts:
                found.append(f"says the same as {texts[folded(m['text'])]}")
            ids.add(name)
            texts[folded(m["text"])] = name
        faults += [f"{name}: {fault}" for fault in found]
    if args.train:
        faults += copied(messages, args.train)
    for fault in faults:
        print(fault, file=sys.stderr)
    languages = len({m.get("lang") for m in messages})
    print(
        f"{len(messages)} messages, {languages} languages, {sum(len(m.get('pii', [])) for m in messages)} pieces of "
        f"personal data, {len(scripts)} scripts: {len(faults)} faults"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
