"""Text to token ids, as the checkpoint's ``tokenizer.json`` defines it."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from ..errors import BridgeError
from ..json_file import read_json_object


class TextTokenizer:
    """A checkpoint's tokenizer, without special tokens around texts.

    ``yes`` and ``no`` are the first tokens of the two answers; ``bos_id`` and ``eos_id`` are None where the
    tokenizer names none.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as cause:
            raise BridgeError(
                "FormatError",
                f"The tokenizer {path} is missing or malformed.",
                needed="a Hugging Face tokenizers file",
                remedy="save the fast tokenizer into the folder (AutoTokenizer.from_pretrained(...).save_pretrained)",
            ) from cause
        settings_file = folder / "tokenizer_config.json"
        settings = read_json_object(settings_file, "FormatError", "a JSON object") if settings_file.is_file() else {}
        self._known: dict[str, list[int]] = {}
        self.bos_id = self._special(settings.get("bos_token"))
        self.eos_id = self._special(settings.get("eos_token"))
        yes, no = self.encode("yes")[:1], self.encode("no")[:1]
        if not yes or not no or yes == no:
            raise BridgeError(
                "ModelError",
                "The tokenizer cannot tell the answers yes and no apart by one token.",
                needed="different first tokens",
                remedy="use the tokenizer that belongs to the model",
            )
        self.yes, self.no = yes[0], no[0]

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        ids = self._known.get(text)
        if ids is None:
            ids = self._known[text] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _special(self, entry: object) -> int | None:
        token = entry.get("content") if isinstance(entry, dict) else entry
        return self._tokenizer.token_to_id(token) if isinstance(token, str) else None
