"""Presidio's pattern recognisers over the texts named on the command line: p50 and p99 of whole passes, findings."""

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


for path in sys.argv[1:]:
    text = open(path, encoding="utf-8").read()
    found = scan(text)
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        scan(text)
        times.append((time.perf_counter() - begin) * 1e6)
    times.sort()
    name = path.rsplit("/", 1)[-1]
    print(f"{len(recognizers)} recognisers, {len(text)} characters {name:<12} p50 {times[len(times) // 2]:10.2f} us   "
          f"p99 {times[-1]:10.2f} us   findings {len(found)}")
