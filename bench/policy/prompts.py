#!/usr/bin/env python3
"""Cuts real texts into prompts for the benchmark: the "text" members of JSONL files, joined file by file, in pieces of
2,048 bytes. Writes {"text"} lines.

  bench/policy/prompts.py FILE.jsonl... >prompts.jsonl
"""

import json
import sys

SIZE = 2048

for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as lines:
        joined = "\n".join(json.loads(line)["text"] for line in lines).encode()
    for begin in range(0, len(joined) - SIZE + 1, SIZE):
        print(json.dumps({"text": joined[begin : begin + SIZE].decode(errors="ignore")}, ensure_ascii=False))
