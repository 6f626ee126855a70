#!/usr/bin/env python3
"""What has to be found in the labelled sets; a set that is not named here is not judged.

  bench/policy/goals.py EVALUATE.py GOLD.jsonl PREDICTIONS.jsonl [LEAST_SCORE]

Prints each figure beside its goal. Exit code 1 where one is missed.
"""

import pathlib
import sys

import gate

# By the beginning of the set's name. Figures are those of evaluate.py, over all types where none is named.
GOALS = {
    "synthetic": {"F2": (">=", 0.96), "leak": ("<=", 0.03)},
    "adversarial": {"F2": (">=", 0.93), "leak": ("<=", 0.06), "clean documents with a finding": ("<=", 0.05)},
    "presidio_research": {"F2": (">=", 0.85), "leak": ("<=", 0.12), "F1 of PERSON": (">=", 0.85)},
    "presidio_tests": {"recall": (">=", 0.95), "precision": (">=", 0.98)},
}


def figures(result):
    total = result["micro_overlap"]
    return {
        "F2": total["f2"],
        "recall": total["r"],
        "precision": total["p"],
        "leak": result["leak"],
        "clean documents with a finding": result["clean_doc_fp"],
        "F1 of PERSON": result["overlap"].get("PERSON", {"f1": 0.0})["f1"],
    }


def main():
    evaluate = gate.evaluator(sys.argv[1])
    gold, predictions = sys.argv[2:4]
    least = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    name = pathlib.Path(gold).name.split(".")[0]
    result, _ = evaluate.score(evaluate.load(gold), evaluate.load(predictions), min_score=least)
    measured = figures(result)
    missed = False
    for what, (sign, goal) in GOALS.get(name, {}).items():
        held = measured[what] >= goal if sign == ">=" else measured[what] <= goal
        missed = missed or not held
        print(f"   {name}: {what} {measured[what]:.4f}, goal {sign} {goal}{'' if held else '  MISSED'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
