"""Presidio's pattern recognisers over the files named on the command line (a text, or JSONL with a "text" a line): p50 and
p99 of whole passes, findings."""

import json
import logging
import sys
import time

from presidio_analyzer import PatternRecognizer
from presidio_analyzer.nlp_engine import NlpArtifacts
from presidio_analyzer.recognizer_registry import RecognizerRegistry

ROUNDS = 60
logging.disable(logging.CRITICAL)  # it complains when it cannot fetch a list of host names

registry = RecognizerRegistry()
registry.load_predefined_recognizers()
recognizers = [r for r in registry.recognizers if isinstance(r, PatternRecognizer)]
# Recognisers ask for the language model's output only to weigh context words; none is needed to find patterns.
nothing = NlpArtifacts([], None, [], [], None, "en")


def scan(text):
    return [found for r in recognizers for found in r.analyze(text, r.supported_entities, nothing) or []]


def report(name, times, found):
    times.sort()
    print(f"{len(recognizers)} recognisers, {name:<32} p50 {times[len(times) // 2]:10.2f} us   "
          f"p99 {times[len(times) * 99 // 100]:10.2f} us   findings a text {found / len(times):.1f}")


def timed(texts):
    times, found = [], 0
    for text in texts:
        begin = time.perf_counter()
        found += len(scan(text))
        times.append((time.perf_counter() - begin) * 1e6)
    return times, found


for path in sys.argv[1:]:
    name = path.rsplit("/", 1)[-1]
    with open(path, encoding="utf-8") as file:
        if name.endswith(".jsonl"):
            texts = [json.loads(line)["text"] for line in file]
            texts = texts[:: max(1, len(texts) // ROUNDS)]
            name = f"{len(texts)} of them"
        else:
            texts = [file.read()] * ROUNDS
    scan(texts[0])
    report(name, *timed(texts))
