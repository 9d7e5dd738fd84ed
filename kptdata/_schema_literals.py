"""Reads the data of a Python file that is only data, without running any of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kptdata.errors import SchemaError

__all__ = ["read_assignment"]

_LONGEST = 10_000  # items that ``[1.0] * n`` may make; the largest known set has 294 points


def read_assignment(text: str, name: str, path: str | Path | None = None) -> Any:
    """Return the value that a Python file assigns to `name` at its top level.

    Understood are literals, ``dict(...)``, names assigned earlier, ``table[key]``, ``-x``,
    ``a + b`` and ``[x] * n``. Nothing is executed or imported.

    Raises:
        SchemaError: the file is no Python, does not assign `name`, or needs more than that.
    """
    reader = _Reader(path)
    try:
        body = ast.parse(text).body
        for statement in body:
            if isinstance(statement, ast.Assign):
                reader.assign(statement, name)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        if isinstance(error, SchemaError):
            raise
        line = getattr(error, "lineno", None)
        place = f"line {line}" if line else None
        raise SchemaError(
            "not a Python file",
            path=path,
            place=place,
            found=getattr(error, "msg", str(error)),
            fix="give the file that assigns dataset_info",
        ) from error
    if name not in reader.values:
        raise SchemaError(
            "no dataset description",
            path=path,
            expected=f"`{name} = dict(...)` at the top level",
            found=", ".join(reader.values) or "no assignment",
            fix=f"give the file that assigns {name}",
        )
    return reader.values[name]


class _Reader:
    def __init__(self, path: str | Path | None) -> None:
        self.path = path
        self.values: dict[str, Any] = {}

    def assign(self, statement: ast.Assign, wanted: str) -> None:
        """Keep the value of one assignment; an unreadable one matters only if it is wanted."""
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        try:
            value = self.read(statement.value)
        except SchemaError:
            if wanted in names:
                raise
            return
        self.values |= dict.fromkeys(names, value)

    def read(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.read(item) for item in items]
            case ast.Dict() | ast.Call(func=ast.Name(id="dict")):
                return self._table(node)
            case ast.Name(id=name) if name in self.values:
                return self.values[name]
            case ast.Subscript(value=table, slice=key):
                return self._item(node, self.read(table), self.read(key))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._negative(node, self.read(operand))
            case ast.BinOp(left=left, op=operator, right=right):
                return self._combined(node, operator, self.read(left), self.read(right))
        raise self._refuse(node)

    def _table(self, node: ast.Dict | ast.Call) -> dict[Any, Any]:
        if isinstance(node, ast.Dict):
            pairs = list(zip(node.keys, node.values, strict=True))
            keys = [self._refuse_unpacking(node) if k is None else self.read(k) for k, _ in pairs]
            values = [self.read(value) for _, value in pairs]
        else:
            if node.args:
                raise self._refuse(node)
            keys = [k.arg or self._refuse_unpacking(node) for k in node.keywords]
            values = [self.read(k.value) for k in node.keywords]
        if not all(isinstance(key, str | int) for key in keys):
            raise self._refuse(node)
        return dict(zip(keys, values, strict=True))

    def _item(self, node: ast.expr, table: Any, key: Any) -> Any:
        if isinstance(table, Mapping) and isinstance(key, str | int) and key in table:
            return table[key]
        raise self._refuse(node)

    def _negative(self, node: ast.expr, value: Any) -> Any:
        if isinstance(value, int | float):
            return -value
        raise self._refuse(node)

    def _combined(self, node: ast.expr, operator: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(operator, ast.Add) and isinstance(left, list) and isinstance(right, list):
            return left + right
        if isinstance(operator, ast.Add) and isinstance(left, str) and isinstance(right, str):
            return left + right
        repeats = isinstance(operator, ast.Mult) and isinstance(left, list)
        if repeats and isinstance(right, int) and len(left) * right <= _LONGEST:
            return left * right
        raise self._refuse(node)

    def _refuse_unpacking(self, node: ast.expr) -> Any:
        raise self._refuse(node)

    def _refuse(self, node: ast.expr) -> SchemaError:
        text = ast.unparse(node)
        return SchemaError(
            "more than data",
            path=self.path,
            place=f"line {node.lineno}",
            expected="literals, dict(...) and names assigned before",
            found=text if len(text) <= 60 else text[:57] + "...",
            fix="write the value out; the file is read, never run",
        )
