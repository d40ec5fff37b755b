"""What a check of an installation finds."""

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    topic, name: what it is. state: "ok", "missing" for what is not installed, "broken" for what is and does not run.
    text: one line for people. remedy: what to do, empty where there is nothing. facts: for programs, JSON.
    """

    topic: str
    name: str
    state: State
    text: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
