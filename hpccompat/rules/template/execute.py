"""Running a template over its data (text/template, "Actions", "Arguments", "Pipelines"; option missingkey=error)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from hpccompat.rules.template.functions import FUNCTIONS
from hpccompat.rules.template.limits import DEPTH, Limits, failed
from hpccompat.rules.template.printing import printed
from hpccompat.rules.template.row import Row
from hpccompat.rules.template.semver import METHODS
from hpccompat.rules.template.tree import (
    Action,
    Block,
    Branch,
    Break,
    Call,
    Chain,
    Constant,
    Dot,
    Field,
    Function,
    Nil,
    Number,
    Operand,
    Pipeline,
    Template,
    Text,
    Variable,
)
from hpccompat.rules.template.values import DICT, Map, SemVer, Slice, Value, runes, truth, type_name


class _Missing:
    """No value comes down the pipeline."""


_MISSING: Final = _Missing()
_Final: TypeAlias = "Value | _Missing"


class _Leave(Exception):
    """A break, or a continue."""

    def __init__(self, again: bool) -> None:
        self.again = again


def execute(template: Template, data: Map, limits: Limits) -> bytes:
    """The text that comes out. Raises EvaluationError(template-exec) where Go does, and EvaluationError(limit)."""
    run = _Run(template, limits)
    run.push("$", data)
    run.block(template.main, data)
    return b"".join(run.written)


class _Run:
    def __init__(self, template: Template, limits: Limits) -> None:
        self.template, self.limits = template, limits
        self.written: list[bytes] = []
        self.depth = 0
        self.names: list[str] = []
        self.values: list[Value] = []
        self.places: dict[str, list[int]] = {}

    def block(self, nodes: Block, dot: Value) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise failed(f"blocks and templates within each other, more than {DEPTH} deep")
        self.limits.step(1 + len(nodes))
        for node in nodes:
            if isinstance(node, Text):
                self.write(node.text)
            elif isinstance(node, Action):
                value = self.pipeline(node.pipeline, dot)
                if not node.pipeline.variables:
                    self.write(b"<no value>" if value is None else printed(self.limits, value))
            elif isinstance(node, Branch):
                known = len(self.names)
                if node.keyword == "range":
                    self.range(node, dot)
                else:
                    self.choose(node, dot)
                self.pop(known)
            elif isinstance(node, Break):
                self.limits.step(3)
                raise _Leave(node.again)
            else:
                self.call_template(node, dot)
        self.depth -= 1

    def write(self, text: bytes) -> None:
        self.limits.make(len(text))
        self.written.append(text)

    # Variables: a stack, the last of a name counts.

    def push(self, name: str, value: Value) -> None:
        self.places.setdefault(name, []).append(len(self.names))
        self.names.append(name)
        self.values.append(value)

    def pop(self, known: int) -> None:
        while len(self.names) > known:
            self.places[self.names.pop()].pop()
            self.values.pop()

    def where(self, name: str) -> int:
        places = self.places.get(name)
        if not places:
            raise failed(f"undefined variable: {name}")
        return places[-1]

    # Actions.

    def choose(self, node: Branch, dot: Value) -> None:
        while True:
            value = self.pipeline(node.pipeline, dot)
            if truth(value):
                return self.block(node.body, value if node.keyword == "with" else dot)
            following = node.otherwise[0] if len(node.otherwise) == 1 else None
            if not isinstance(following, Branch) or following.keyword == "range":
                return self.block(node.otherwise, dot)
            # A chain of `else if` is as long as it likes to be.
            self.limits.step()
            node = following

    def range(self, node: Branch, dot: Value) -> None:
        value = self.pipeline(node.pipeline, dot)
        if isinstance(value, Map):
            # They are sorted.
            self.limits.step(len(value.items) >> 2)
        entries = _entries(value, len(node.pipeline.variables))
        known = len(self.names)
        empty = True
        for key, each in entries:
            empty = False
            self.limits.step()
            self.assign(node.pipeline, key, each)
            depth = self.depth
            try:
                self.block(node.body, each)
            except _Leave as leave:
                if not leave.again:
                    break
            finally:
                self.depth = depth
                self.pop(known)
        if empty:
            self.block(node.otherwise, dot)

    def assign(self, pipeline: Pipeline, key: Value, each: Value) -> None:
        """One variable is the element, two are its key and itself."""
        variables = pipeline.variables
        values = (each,) if len(variables) == 1 else (key, each)
        for position, name in enumerate(variables):
            place = self.where(name) if pipeline.assigns else len(self.names) - len(variables) + position
            self.values[place] = values[position]

    def call_template(self, node: Call, dot: Value) -> None:
        self.limits.step(5)
        block = self.template.named.get(node.name)
        if block is None:
            raise failed(f"template {node.name!r} not defined")
        value = self.pipeline(node.pipeline, dot) if node.pipeline else None
        outer = self.names, self.values, self.places
        self.names, self.values, self.places = [], [], {}
        self.push("$", value)
        self.block(block, value)
        self.names, self.values, self.places = outer

    # Pipelines and their operands.

    def pipeline(self, pipeline: Pipeline, dot: Value) -> Value:
        value: _Final = _MISSING
        self.limits.step(len(pipeline.commands) - 1 + 3 * len(pipeline.variables))
        for command in pipeline.commands:
            value = self.command(command, dot, value)
        assert not isinstance(value, _Missing)
        for name in pipeline.variables:
            if pipeline.assigns:
                self.values[self.where(name)] = value
            else:
                self.push(name, value)
        return value

    def command(self, operands: Sequence[Operand], dot: Value, final: _Final) -> Value:
        first = operands[0]
        if isinstance(first, Function):
            return self.function(first.name, dot, operands[1:], final)
        if isinstance(first, (Field, Variable, Chain)):
            return self.path(first, dot, operands[1:], final)
        if len(operands) > 1 or final is not _MISSING:
            raise failed("can't give argument to non-function")
        if isinstance(first, Nil):
            raise failed("nil is not a command")
        return self.plain(first, dot)

    def plain(self, operand: Operand, dot: Value) -> Value:
        """An operand where nothing says what type it should have."""
        if isinstance(operand, Constant):
            return operand.value
        if isinstance(operand, Number):
            if operand.ideal is None:
                raise failed(f"{operand.text} overflows int")
            return operand.ideal
        if isinstance(operand, Dot):
            return dot
        if isinstance(operand, Pipeline):
            return self.pipeline(operand, dot)
        if isinstance(operand, Function):
            return self.function(operand.name, dot, (), _MISSING)
        if isinstance(operand, Nil):
            return None
        return self.path(operand, dot, (), _MISSING)

    def path(self, path: Field | Variable | Chain, dot: Value, arguments: Sequence[Operand], final: _Final) -> Value:
        if isinstance(path, Field):
            value = dot
        elif isinstance(path, Variable):
            value = self.values[self.where(path.name)]
        elif isinstance(path.base, Nil):
            raise failed("indirection through explicit nil")
        else:
            value = self.plain(path.base, dot)
        for name in path.names[:-1]:
            value = self.field(value, name, dot, (), _MISSING)
        if path.names:
            return self.field(value, path.names[-1], dot, arguments, final)
        if arguments or final is not _MISSING:
            raise failed("can't give argument to non-function")
        return value

    def field(self, value: Value, name: bytes, dot: Value, arguments: Sequence[Operand], final: _Final) -> Value:
        if isinstance(value, Map):
            if arguments or final is not _MISSING:
                raise failed(f"{runes(name)} is not a method but has arguments")
            if name not in value.items:
                raise failed(f"map has no entry for key {runes(name)!r}")
            return value.items[name]
        if isinstance(value, SemVer) and name in METHODS:
            method = METHODS[name]
            if value.pointer or not method.of_pointers:
                return self.call(method.row, runes(name), dot, arguments, final, value)
        if value is None:
            raise failed(f"nil data; no entry for key {runes(name)!r}")
        raise failed(f"can't evaluate field {runes(name)} in type {type_name(value)}")

    # Functions.

    def function(self, name: str, dot: Value, arguments: Sequence[Operand], final: _Final) -> Value:
        if name in ("and", "or"):
            return self.logic(name, dot, arguments, final)
        return self.call(FUNCTIONS[name], name, dot, arguments, final)

    def logic(self, name: str, dot: Value, arguments: Sequence[Operand], final: _Final) -> Value:
        """Returns an operand, and evaluates none after it."""
        value = final
        for argument in arguments:
            value = self.plain(argument, dot)
            if truth(value) == (name == "or"):
                return value
        value = value if isinstance(final, _Missing) else final
        if isinstance(value, _Missing):
            raise failed(f"wrong number of args for {name}: want at least 1 got 0")
        return value

    def call(
        self, row: Row, name: str, dot: Value, arguments: Sequence[Operand], final: _Final, *receiver: Value
    ) -> Value:
        count = len(arguments) + (final is not _MISSING)
        fixed = row.parameters
        if count < len(fixed) or (count > len(fixed) and not row.rest):
            raise failed(f"wrong number of args for {name}: want {len(fixed)} got {count}")
        values: list[Value] = list(receiver)
        for position, argument in enumerate(arguments):
            wanted = fixed[position] if position < len(fixed) else row.rest
            values.append(self.argument(argument, wanted, dot))
        if not isinstance(final, _Missing):
            values.append(_checked(final, fixed[count - 1] if count <= len(fixed) else row.rest))
        self.limits.given(values)
        return row.call(self.limits, *values)

    def argument(self, operand: Operand, wanted: str, dot: Value) -> Value:
        if isinstance(operand, Nil):
            if wanted in ("any", "value", "dict", "version"):
                return Map(nil=True) if wanted == "dict" else None
            raise failed(f"cannot assign nil to {wanted}")
        if not isinstance(operand, (Constant, Number)):
            return _checked(self.plain(operand, dot), wanted)
        if wanted in ("any", "value"):
            return self.plain(operand, dot)
        value: Value
        if isinstance(operand, Number):
            value = operand.integer if wanted == "int" else operand.real if wanted == "float" else None
        else:
            value = operand.value if wanted == ("bool" if isinstance(operand.value, bool) else "string") else None
        if value is None:
            raise failed(f"expected {wanted}")
        return value


_EXACT = {"string": bytes, "int": int, "bool": bool, "float": float}


def _checked(value: Value, wanted: str) -> Value:
    """Go converts nothing: an int64 is no int."""
    if wanted in ("any", "value"):
        return value
    if wanted == "dict":
        if value is None:
            return Map(nil=True)
        matches = isinstance(value, Map) and value.type == DICT
    elif wanted == "version":
        matches = isinstance(value, SemVer) and value.pointer
    else:
        matches = type(value) is _EXACT[wanted]
    if not matches:
        raise failed(f"wrong type for value; expected {wanted}; got {type_name(value)}")
    return value


def _entries(value: Value, variables: int) -> Iterable[tuple[Value, Value]]:
    if isinstance(value, Map):
        return sorted(value.items.items(), key=lambda entry: entry[0])
    if isinstance(value, Slice):
        return enumerate(value.items)
    if value is None:
        return ()
    if isinstance(value, int) and not isinstance(value, bool):
        if variables > 1:
            raise failed("can't use an integer to iterate over more than one variable")
        kind = type(value)
        return ((None, kind(number)) for number in range(value))
    raise failed(f"range can't iterate over {type_name(value)}")
