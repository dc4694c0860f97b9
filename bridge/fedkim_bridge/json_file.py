"""JSON files, read strictly: no NaN, no Infinity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import BridgeError, ErrorCode


def parse_json(text: str) -> Any:  # noqa: ANN401 - whatever the document holds
    """Parses JSON; raises ``ValueError`` also for NaN and Infinity, which are not JSON."""

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def read_json_object(path: Path, code: ErrorCode, needed: str) -> dict[str, Any]:
    """Reads a file that holds one JSON object; raises ``BridgeError`` of the given code otherwise."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise BridgeError(code, f"{path} cannot be read.", found=type(cause).__name__, needed=needed) from cause
    if not isinstance(value, dict):
        raise BridgeError(code, f"{path} is malformed.", found=type(value).__name__, needed=needed)
    return value


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file as a whole: first beside it, then renamed over it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def write_json(path: Path, value: object) -> None:
    """Writes a JSON file as a whole."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, text.encode())
