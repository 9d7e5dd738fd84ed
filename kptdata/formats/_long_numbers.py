"""JSON whose numbers may have more digits than a float64 holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import msgspec

from kptdata.errors import FormatError
from kptdata.formats._inverse import is_long
from kptdata.formats._json import decode

__all__ = ["LongFloat", "decode_keeping_digits"]


class LongFloat(float):
    """A number whose text has more digits than a float64 holds; the text is kept."""

    text: str

    def __new__(cls, text: str) -> Self:
        self = super().__new__(cls, text)
        self.text = text
        return self


def _new_decoder() -> msgspec.json.Decoder[Any]:
    """Return a decoder of tasks that keeps long numbers."""
    return msgspec.json.Decoder(float_hook=lambda s: LongFloat(s) if is_long(s) else float(s))


def decode_keeping_digits(data: bytes | msgspec.Raw, path: Path, place: str | None = None) -> Any:
    """Decode JSON as plain values; long numbers become `LongFloat`.

    Raises:
        FormatError: the text is no JSON.
    """
    try:
        return _new_decoder().decode(data)
    except RecursionError:
        raise FormatError("nested too deep", path=path, place=place) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        try:
            return decode(data, Any, path, place)  # which names the place
        except msgspec.ValidationError as error:
            raise FormatError(str(error), path=path, place=place) from None
