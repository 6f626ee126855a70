#!/usr/bin/env python3
"""Our classifier beside fastText: same texts, same machine, one run.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install fasttext-wheel==0.9.2 numpy==1.26.4
    /tmp/peer/bin/python bench/triage/compare.py --data ../shared/data/triage --bench build/release/bench/triage/bench_triage

fastText: supervised, 100 epochs, word pairs, subwords of 3 to 5, rate 0.5; latency is that of its Python binding.
"""
import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

import fasttext



def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def clean(text):
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def peer(train, validation, folder):
    path = os.path.join(folder, "train.txt")
    with open(path, "w", encoding="utf-8") as out:
        for row in train:
            out.write(f"__label__{row['intent']} {clean(row['text'])}\n")
    began = time.perf_counter()
    model = fasttext.train_supervised(path, epoch=100, lr=0.5, wordNgrams=2, minn=3, maxn=5, dim=100, thread=1, verbose=0)
    seconds = time.perf_counter() - began
    right, micros = 0, []
    for row in validation:
        text = clean(row["text"])
        start = time.perf_counter_ns()
        # The C++ object behind the binding: its Python wrapper does not work with NumPy 2.
        answer = model.f.predict(text + "\n", 1, 0.0, "strict")
        micros.append((time.perf_counter_ns() - start) / 1000)
        right += bool(answer) and answer[0][1] == "__label__" + row["intent"]
    micros.sort()
    return right / len(validation), micros[len(micros) // 2], micros[len(micros) * 99 // 100], seconds


def ours(bench, data, name, folder):
    model = os.path.join(folder, "model.sbm")
    began = time.perf_counter()
    subprocess.run([bench, "train", "--data", f"{data}/intent-{name}-train.jsonl.gz", "--out", model], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    answer = subprocess.run([bench, "eval", "--model", model, "--data", f"{data}/intent-{name}-val.jsonl.gz", "--json"],
                            check=True, capture_output=True, text=True).stdout
    return json.loads(answer), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/triage")
    parser.add_argument("--bench", default="build/release/bench/triage/bench_triage")
    parser.add_argument("--sets", nargs="+", default=["banking77", "clinc150", "hwu64"])
    options = parser.parse_args()
    if not os.path.isdir(options.data):
        print(f"no {options.data}: nothing to compare on", file=sys.stderr)
        return 0
    print(f"{'set':10} {'':8} {'accuracy':>8} {'ECE':>6} {'p50 us':>7} {'p99 us':>7} {'train s':>8}")
    for name in options.sets:
        train, validation = (rows(f"{options.data}/intent-{name}-{part}.jsonl.gz") for part in ("train", "val"))
        with tempfile.TemporaryDirectory() as folder:
            result, seconds = ours(options.bench, options.data, name, folder)
            print(f"{name:10} {'ours':8} {result['accuracy']:8.4f} {result['calibration_error']:6.4f} "
                  f"{result['latency_us_p50']:7.1f} {result['latency_us_p99']:7.1f} {seconds:8.1f}", flush=True)
            accuracy, p50, p99, seconds = peer(train, validation, folder)
            print(f"{name:10} {'fastText':8} {accuracy:8.4f} {'':6} {p50:7.1f} {p99:7.1f} {seconds:8.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
