"""The one error class, with the codes and exit statuses of FedKIM's ``docs/errors.md``."""

from __future__ import annotations

from typing import Final, Literal

ErrorCode = Literal["ConfigError", "DatasetError", "FormatError", "UnknownTask", "ModelError", "InternalError"]

EXIT_STATUS: Final[dict[str, int]] = {
    "ConfigError": 2,
    "DatasetError": 3,
    "FormatError": 4,
    "UnknownTask": 5,
    "ModelError": 31,
    "InternalError": 70,
}


class BridgeError(Exception):
    """A failure that was foreseen: what was found, what is needed and what to do.

    The message names files, fields, tensors and tasks, never a record's content.
    """

    def __init__(
        self,
        code: ErrorCode,
        summary: str,
        *,
        found: str | None = None,
        needed: str | None = None,
        remedy: str | None = None,
    ) -> None:
        parts = [summary]
        if found is not None:
            parts.append(f"Found: {found}.")
        if needed is not None:
            parts.append(f"Needed: {needed}.")
        if remedy is not None:
            parts.append(f"What to do: {remedy}.")
        super().__init__(" ".join(parts))
        self.code: ErrorCode = code

    @property
    def exit_status(self) -> int:
        """The process exit status of this code."""
        return EXIT_STATUS[self.code]
