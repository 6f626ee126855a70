#!/usr/bin/env python3
"""How long a server takes from the request to learn until the new intent is in force.

    learn_live.py --model M.sbm [--encoder E.sbe] --data TRAIN.jsonl.gz --intents A B C [--binary signalbox]

Each of the intents, under a name that the model does not know, gets 20 labels and is learnt by a server of its own data
directory; then a text of the first one, which was not among them, is asked. Prints one line a request.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "e2e"))
LABELS = 20


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--model", required=True, type=Path)
    options.add_argument("--encoder", type=Path)
    options.add_argument("--data", required=True, type=Path)
    options.add_argument("--intents", required=True, nargs="+")
    options.add_argument("--binary", default="build/release/apps/signalbox/signalbox")
    chosen = options.parse_args()
    os.environ["SIGNALBOX_BIN"] = str(Path(chosen.binary).resolve())
    from harness import Server, Simulator, configuration

    with gzip.open(chosen.data, "rt") as lines:
        labelled = [json.loads(line) for line in lines]
    texts = {intent: [one["text"] for one in labelled if one["intent"] == intent] for intent in chosen.intents}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        encoder = f"encoder: {chosen.encoder.resolve()}\n" if chosen.encoder else ""
        (work / "triage.yaml").write_text(
            f"version: 1\nmodel: {chosen.model.resolve()}\n{encoder}generative: {{otherwise: small}}\n")
        simulator = Simulator(work)
        server = Server(work, configuration(simulator.address, triage={"file": str(work / "triage.yaml")})).start()
        try:
            for number, intent in enumerate(chosen.intents):
                labels = [{"text": text, "intent": f"new:{number}"} for text in texts[intent][:LABELS]]
                added = server.call("POST", "/api/v1/triage/labels", {"labels": labels})
                assert added.status == 201, added.body
                begin = time.monotonic()
                learnt = server.call("POST", "/api/v1/triage/learn", {})
                took = time.monotonic() - begin
                assert learnt.status == 200 and learnt.json()["state"] == "active", learnt.body
                told = learnt.json()["figures"]["learnt"]
                print(f"{intent}: in force after {took:.3f} s; recognised of {LABELS}: {[one['recognised'] for one in told]}")
            run = server.chat(texts[chosen.intents[0]][LABELS], model="auto").headers["x-signalbox-run"]
            triage = next(task for task in server.run(run)["tasks"] if task["kind"] == "triage")
            print(f"asked: {triage['decision']['intent']}")
        finally:
            server.process.stop()
            simulator.process.stop()


if __name__ == "__main__":
    main()
