"""Expressions over the columns of a dataset: ``area > 1024 and labelled('nose')``.

The text is parsed with `ast` and each node is looked up in a table of what is allowed; nothing in
it is ever run as Python. Every node works on whole columns.
"""

from __future__ import annotations

import ast
import fnmatch
import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from kptdata._columns import TEXT
from kptdata._query_columns import Value, blank, column_names, column_of
from kptdata.dataset import PoseDataset
from kptdata.errors import OptionError, UnknownNameError
from kptdata.visibility import Visibility

__all__ = ["Query"]

_LONGEST = 10_000  # characters
_DEEPEST = 60  # levels of brackets and operators

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    ast.Mod: np.mod,
}  # fmt: skip
_STATES: dict[str, tuple[Visibility, ...]] = {
    "labelled": (Visibility.OCCLUDED, Visibility.VISIBLE, Visibility.LABELLED),
    "visible": (Visibility.VISIBLE,),
    "occluded": (Visibility.OCCLUDED,),
    "absent": (Visibility.ABSENT,),
    "unlabelled": (Visibility.UNLABELLED,),
}
_POINT_NUMBERS = ("x", "y", "keypoint_score")
_FUNCTIONS = (*_STATES, *_POINT_NUMBERS, "missing", "like", "abs", "column")
_ALLOWED = (
    "columns, numbers, texts, lists behind 'in', and or not, + - * / %, comparisons, "
    f"and the functions {', '.join(_FUNCTIONS)}"
)


class Query:
    """An expression, parsed once.

    Args:
        text: the expression.

    Raises:
        OptionError: the text is no expression of the allowed kind.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _LONGEST:
            raise OptionError(f"expression: expected at most {_LONGEST} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            where = f" at column {error.offset}" if error.offset else ""
            raise OptionError(f"expression: {error.msg}{where}: {text!r}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise OptionError(f"expression: cannot be parsed: {error}") from None
        _refuse_nesting(tree)
        self._rules: Sequence[ast.expr] = [tree]
        if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
            self._rules = tree.values

    def rules(
        self, dataset: PoseDataset, others: Sequence[PoseDataset] = ()
    ) -> tuple[dict[str, NDArray[np.bool_]], dict[str, int]]:
        """Return what each instance must fulfil, and how often a column that is asked is missing.

        Args:
            dataset: the instances.
            others: datasets of the same file; a keypoint or column that only they have is missing.

        Returns:
            Rule in words -> (N,) True where it is fulfilled; note -> number of instances.

        Raises:
            OptionError: a part of the expression makes no sense; the message says where.
            UnknownNameError: no such column, keypoint or function; near names are listed.
            DatasetError: a column holds values of several kinds.
        """
        reading = _Reading(self.text.strip(), dataset, others)
        masks = {}
        for node in self._rules:
            value = reading.value(node).of_kind("condition")
            if value.kind != "condition":
                reading.refuse(node, f"is a {value.kind}, no condition; compare it with something")
            found = np.broadcast_to(value.data & ~np.asarray(value.missing), (len(dataset),))
            masks[ast.unparse(node)] = found.astype(bool)
        return masks, reading.notes


def _refuse_nesting(tree: ast.AST) -> None:
    level = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise OptionError(f"expression: nested more than {_DEEPEST} levels deep")


class _Reading:
    """One expression over one dataset."""

    def __init__(self, text: str, dataset: PoseDataset, others: Sequence[PoseDataset]) -> None:
        self.text, self.dataset, self.others = text, dataset, others
        self.notes: dict[str, int] = {}
        self.nodes: dict[type[ast.expr], Callable[[Any], Value]] = {
            ast.BoolOp: self.junction,
            ast.UnaryOp: self.sign,
            ast.Compare: self.comparison,
            ast.BinOp: self.arithmetic,
            ast.Call: self.call,
            ast.Name: lambda node: self.column(node.id),
            ast.Constant: self.constant,
        }

    def refuse(self, node: ast.expr, problem: str) -> NoReturn:
        """Raise the error for a part of the text."""
        part = ast.get_source_segment(self.text, node) or self.text
        raise OptionError(f"expression: column {node.col_offset + 1}: {part!r} {problem}")

    def value(self, node: ast.expr) -> Value:
        """Return the value of a part of the expression."""
        if type(node) not in self.nodes:
            self.refuse(node, f"is not allowed; allowed are {_ALLOWED}")
        return self.nodes[type(node)](node)

    def expect(self, node: ast.expr, kind: str) -> Value:
        """Return a value of a kind."""
        value = self.value(node).of_kind(kind)
        if value.kind != kind:
            self.refuse(node, f"is a {value.kind}, expected a {kind}")
        return value

    def column(self, name: str) -> Value:
        """Return a column, and note how often it is missing."""
        try:
            found = column_of(self.dataset, name)
        except UnknownNameError:
            twin = next((d for d in self.others if name in column_names(d)), None)
            if twin is None:
                raise
            found = blank(len(self.dataset), column_of(twin, name).kind)
        count = int(np.count_nonzero(found.missing))
        if count:
            self.notes[f"{name} not stated"] = count
        return found

    def constant(self, node: ast.Constant) -> Value:
        """Return a number, text or truth value that the expression states."""
        value = node.value
        if isinstance(value, bool):
            return Value(np.bool_(value), False, "condition")
        if isinstance(value, str):
            return Value(value, False, "text")
        if not isinstance(value, int | float):
            self.refuse(node, "is no number, text or truth value; missing(column) asks for gaps")
        # Whole numbers of 64 bits are compared exactly, larger ones as the float that is nearest.
        whole = isinstance(value, int) and abs(value) < 2**63
        return Value(value if whole else _real(value), False, "number")

    def junction(self, node: ast.BoolOp) -> Value:
        """Join conditions by ``and`` or ``or``."""
        parts = [self.expect(part, "condition") for part in node.values]
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return Value(join.reduce(np.broadcast_arrays(*map(_certain, parts))), False, "condition")

    def sign(self, node: ast.UnaryOp) -> Value:
        """Negate a condition or a number."""
        if isinstance(node.op, ast.Not):
            part = self.expect(node.operand, "condition")
            return Value(~np.asarray(_certain(part)), False, "condition")
        if not isinstance(node.op, ast.USub | ast.UAdd):
            self.refuse(node, f"is not allowed; allowed are {_ALLOWED}")
        part = self.expect(node.operand, "number")
        data = part.data if isinstance(node.op, ast.UAdd) else -_real(part.data)
        return Value(data, part.missing, "number")

    def arithmetic(self, node: ast.BinOp) -> Value:
        """Calculate in float64; what has no result is missing."""
        if type(node.op) not in _ARITHMETIC:
            self.refuse(node, f"is not allowed; allowed are {_ALLOWED}")
        left, right = self.expect(node.left, "number"), self.expect(node.right, "number")
        with np.errstate(all="ignore"):
            data = _ARITHMETIC[type(node.op)](_real(left.data), _real(right.data))
        return Value(data, left.missing | np.isnan(data) | right.missing, "number")

    def comparison(self, node: ast.Compare) -> Value:
        """Compare, in chains as Python does; a comparison with a missing value is false."""
        held: Any = np.bool_(True)
        left_node = node.left
        left = self.value(left_node)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                held = held & self._among(left, right_node, negate=isinstance(op, ast.NotIn))
                continue
            if type(op) not in _COMPARISONS:
                self.refuse(node, f"is not allowed; allowed are {_ALLOWED}")
            right = self.value(right_node).of_kind(left.kind)
            left = left.of_kind(right.kind)
            if left.kind != right.kind:
                self.refuse(node, f"compares a {left.kind} with a {right.kind}")
            held = held & _compared(_COMPARISONS[type(op)], left, right)
            left = right
        return Value(held, False, "condition")

    def _among(self, left: Value, node: ast.expr, *, negate: bool) -> Any:
        if not isinstance(node, ast.List | ast.Tuple):
            self.refuse(node, "is no list; like(column, 'pattern*') looks into texts")
        first = self.value(node.elts[0]).kind if node.elts else "number"
        left, found = left.of_kind(first), np.asarray(False)
        for item in node.elts:
            found = found | _compared(operator.eq, left, self.expect(item, left.kind))
        return (~found if negate else found) & ~np.asarray(left.missing)

    def call(self, node: ast.Call) -> Value:
        """Call one of the few functions."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _FUNCTIONS:
            if not name:
                self.refuse(node, f"is not allowed; allowed are {_ALLOWED}")
            raise UnknownNameError("function", name, _FUNCTIONS)
        wanted = 2 if name == "like" else 1
        if node.keywords or len(node.args) != wanted:
            self.refuse(node, f"expected {wanted} argument{'s' * (wanted > 1)}")
        if name in _STATES or name in _POINT_NUMBERS:
            return self._of_point(name, self._text(node.args[0]))
        if name == "column":
            return self.column(self._text(node.args[0]))
        if name == "like":
            return _like(self.expect(node.args[0], "text"), self._text(node.args[1]))
        if name == "abs":
            part = self.expect(node.args[0], "number")
            return Value(np.abs(_real(part.data)), part.missing, "number")
        return Value(np.asarray(self.value(node.args[0]).missing), False, "condition")

    def _text(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            self.refuse(node, "is no text in quotes")
        return node.value

    def _of_point(self, function: str, point: str) -> Value:
        """Return a state or number of one keypoint."""
        schema, known = self.dataset.schema, [d.schema.names for d in self.others]
        if point not in schema.names and any(point in names for names in known):
            none = np.zeros(len(self.dataset), bool)
            if function in _STATES:
                return Value(none, False, "condition")
            return Value(np.full(len(self.dataset), np.nan), ~none, "number")
        row = schema.index(point)
        if function in _STATES:
            states = np.array(_STATES[function], np.uint8)
            return Value(np.isin(self.dataset.visibility[:, row], states), False, "condition")
        if function == "keypoint_score":
            data = self.dataset.column("keypoint_score")[:, row]
        else:
            data = self.dataset.xy[:, row, "xy".index(function)]
        return Value(data, np.isnan(data), "number")


def _real(data: Any) -> Any:
    """Return numbers as float64; a whole number too large for it becomes infinite."""
    try:
        return np.asarray(data, np.float64)
    except OverflowError:
        return np.float64(np.inf if data > 0 else -np.inf)


def _certain(value: Value) -> Any:
    return value.data & ~np.asarray(value.missing)


def _compared(compare: Callable[[Any, Any], Any], left: Value, right: Value) -> Any:
    found = np.asarray(compare(left.data, right.data), bool)
    return found & ~np.asarray(left.missing) & ~np.asarray(right.missing)


def _like(value: Value, pattern: str) -> Value:
    texts, places = np.unique(np.atleast_1d(np.asarray(value.data, TEXT)), return_inverse=True)
    fits = np.array([fnmatch.fnmatchcase(text, pattern) for text in texts.tolist()], bool)
    found = fits[places] if len(texts) else np.zeros(0, bool)
    return Value(found & ~np.asarray(value.missing), False, "condition")
