"""Running a template over its data, in bounded steps (option missingkey=error, as NFD sets it)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.functions import FUNCTIONS
from hpccompat.rules.template.tree import Action, Branch, Call, Literal, Node, Operand, Text
from hpccompat.rules.template.values import Domains, Element, FeatureElements, Value, is_true, printed

STEPS = 100_000
OUTPUT = 1024 * 1024


def execute(nodes: Iterable[Node], data: Domains) -> str:
    """The text that comes out. Raises EvaluationError(template-exec)."""
    return _Run().text(nodes, data)


class _Run:
    def __init__(self) -> None:
        self.steps = 0
        self.size = 0
        self.written: list[str] = []

    def text(self, nodes: Iterable[Node], data: Domains) -> str:
        self.block(nodes, data, {"$": data})
        return "".join(self.written)

    def block(self, nodes: Iterable[Node], dot: Value, variables: dict[str, Value]) -> None:
        for node in nodes:
            self.step()
            if isinstance(node, Text):
                self.write(node.text)
            elif isinstance(node, Action):
                value = _value(node.value, dot, variables)
                if node.variables:
                    variables[node.variables[0]] = value
                else:
                    self.write(printed(value))
            else:
                self.branch(node, dot, dict(variables))

    def branch(self, node: Branch, dot: Value, variables: dict[str, Value]) -> None:
        value = _value(node.value, dot, variables)
        if node.keyword == "range":
            empty = True
            for key, each in _entries(value):
                empty = False
                scope = dict(variables)
                # One variable is the element, two are its key and itself.
                scope.update(zip(node.variables, (each,) if len(node.variables) == 1 else (key, each), strict=False))
                self.step()
                self.block(node.body, each, scope)
            if empty:
                self.block(node.otherwise, dot, variables)
            return
        if node.variables:
            variables[node.variables[0]] = value
        if is_true(value):
            self.block(node.body, value if node.keyword == "with" else dot, variables)
        else:
            self.block(node.otherwise, dot, variables)

    def step(self) -> None:
        self.steps += 1
        if self.steps > STEPS:
            raise EvaluationError("template-exec", f"the template takes more than {STEPS} steps")

    def write(self, text: str) -> None:
        self.size += len(text)
        if self.size > OUTPUT:
            raise EvaluationError("template-exec", f"the template writes more than {OUTPUT} characters")
        self.written.append(text)


def _entries(value: Value) -> Iterator[tuple[Value, Value]]:
    if isinstance(value, (Element, FeatureElements, Domains)):
        yield from ((key, value[key]) for key in sorted(value))
    elif isinstance(value, list):
        yield from enumerate(value)
    elif isinstance(value, int):
        yield from ((number, number) for number in range(value))
    elif value is not None:
        raise EvaluationError("template-exec", f"range can't iterate over {printed(value)!r}")


def _value(operand: Operand, dot: Value, variables: dict[str, Value]) -> Value:
    if isinstance(operand, Literal):
        return operand.value
    if isinstance(operand, Call):
        return FUNCTIONS[operand.function](*(_value(each, dot, variables) for each in operand.arguments))
    value = variables[operand.variable] if operand.variable else dot
    for name in operand.names:
        if not isinstance(value, (Element, FeatureElements, Domains)):
            raise EvaluationError("template-exec", f"there is no field {name} in {printed(value)[:50]!r}")
        if name not in value:
            raise EvaluationError("template-exec", f"map has no entry for key {name!r}")
        value = value[name]
    return value
