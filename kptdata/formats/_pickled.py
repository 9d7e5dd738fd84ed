"""Plain values of pickles, read without unpickling anything.

PyTables keeps lists, tuples and dicts of its attributes as pickles of protocol 0. Of that language
this module knows the words that build plain values and no others, so no text can make it import,
call or change anything. Every other word is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

__all__ = ["PickleError", "plain_value"]

_MOST = 1 << 24  # bytes; HDF5 stores at most 64 KiB in an attribute, a little more outside of it
_DIGITS = 24
_DEEPEST = 16  # pandas nests five
_MARK = object()
_BOOLS = {b"00": False, b"01": True}

_REFUSED = {
    "c": "GLOBAL, which imports a class or function",
    "R": "REDUCE, which calls a function",
    "i": "INST, which makes an object of a class",
    "o": "OBJ, which makes an object of a class",
    "b": "BUILD, which sets the state of an object",
    "P": "PERSID, which stands for an object elsewhere",
    "\x80": "PROTO, a pickle of a later protocol",
}


class PickleError(ValueError):
    """The text is no pickle of plain values; the message says what it holds instead."""


def plain_value(data: bytes) -> Any:
    """Return the value of a pickle of protocol 0: None, numbers, text, lists, tuples, dicts.

    Raises:
        PickleError: it holds anything else, or is cut off.
    """
    if len(data) > _MOST:
        raise PickleError(f"a pickle of {len(data)} bytes")
    return _Machine(data).run()


class _Machine:
    """A stack, a memory, and the words that change them."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._stack: list[Any] = []
        self._memory: dict[bytes, Any] = {}
        self._words: dict[int, Callable[[], None]] = {
            ord(word): act
            for word, act in {
                "(": lambda: self._stack.append(_MARK),
                "N": lambda: self._stack.append(None),
                "I": self._integer,
                "L": self._integer,
                "F": lambda: self._stack.append(float(self._line())),
                "V": lambda: self._stack.append(self._line().decode("raw-unicode-escape")),
                "S": self._quoted,
                "l": lambda: self._stack.append(self._to_mark()),
                "t": lambda: self._stack.append(tuple(self._to_mark())),
                "d": self._pairs,
                "a": self._append,
                "s": self._set,
                "p": self._put,
                "g": self._get,
            }.items()
        }

    def run(self) -> Any:
        data = self._data
        try:
            while (word := data[self._at]) != ord("."):
                self._at += 1
                act = self._words.get(word)
                (act or partial(_refuse, chr(word)))()
            (value,) = self._stack
        except PickleError:
            raise
        except (IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError):
            raise PickleError(f"no pickle of plain values, at byte {self._at}") from None
        _refuse_depth(value)
        return value

    def _line(self) -> bytes:
        end = self._data.index(b"\n", self._at)
        line, self._at = self._data[self._at : end], end + 1
        return line

    def _integer(self) -> None:
        text = self._line()
        if len(text) > _DIGITS:
            raise PickleError("a number of too many digits")
        self._stack.append(_BOOLS[text] if text in _BOOLS else int(text.removesuffix(b"L")))

    def _quoted(self) -> None:
        text = self._line()
        if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in b"'\"":
            raise PickleError("a text without quotes")
        self._stack.append(text[1:-1].decode("unicode_escape"))

    def _to_mark(self) -> list[Any]:
        found: list[Any] = []
        while (value := self._stack.pop()) is not _MARK:
            found.append(value)
        return found[::-1]

    def _pairs(self) -> None:
        found = self._to_mark()
        self._stack.append(dict(zip(found[::2], found[1::2], strict=True)))

    def _append(self) -> None:
        value = self._stack.pop()
        self._of(list).append(value)

    def _set(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._of(dict)[key] = value

    def _of(self, kind: type) -> Any:
        """Return the value on top, which has to be of this kind, and no other that has its name."""
        if type(self._stack[-1]) is not kind:
            raise PickleError(f"no pickle of plain values, at byte {self._at}")
        return self._stack[-1]

    def _get(self) -> None:
        value = self._memory[self._line()]
        if isinstance(value, list | tuple | dict):
            raise PickleError("a container in two places, by which a short pickle can be endless")
        self._stack.append(value)

    def _put(self) -> None:
        self._memory[self._line()] = self._stack[-1]


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, list | tuple | dict)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    if level:
        raise PickleError("containers nested too deep")


def _refuse(word: str) -> NoReturn:
    raise PickleError(f"the pickle word {_REFUSED.get(word, repr(word))}")
