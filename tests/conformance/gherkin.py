"""As much of Gherkin as the DSL's features use: features, scenarios, steps and their doc strings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Step:
    text: str
    line: int
    doc: str | None = None


@dataclass
class Scenario:
    feature: str
    name: str
    file: Path
    line: int
    steps: list[Step] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.file.name}: {self.name}"


KEYWORD = re.compile(r"^(Given|When|Then|And|But)\s+(.*)$")


def doc_string(lines: list[str], at: int, indent: int) -> tuple[str, int]:
    """The text up to the closing quotes, without the indentation of the opening ones; and the line after it."""
    text = []
    while at < len(lines) and lines[at].strip() != '"""':
        line = lines[at]
        text.append(line[indent:] if not line[:indent].strip() else line.lstrip())
        at += 1
    return "\n".join(text), at + 1


def parse(path: Path) -> list[Scenario]:
    lines = path.read_text(encoding="utf-8").split("\n")
    scenarios: list[Scenario] = []
    feature, at = "", 0
    while at < len(lines):
        line = lines[at]
        stripped = line.strip()
        at += 1
        if stripped.startswith("Feature:"):
            feature = stripped[8:].strip()
        elif stripped.startswith("Scenario:"):
            scenarios.append(Scenario(feature, stripped[9:].strip(), path, at))
        elif scenarios and (match := KEYWORD.match(stripped)):
            scenarios[-1].steps.append(Step(match[2], at))
        elif stripped.startswith('"""') and scenarios and scenarios[-1].steps:
            scenarios[-1].steps[-1].doc, at = doc_string(lines, at, len(line) - len(line.lstrip()))
    return scenarios
