"""Tokens to a tree, by the grammar of text/template/parse."""

from __future__ import annotations

from hpccompat.rules.template import literal
from hpccompat.rules.template.functions import FUNCTIONS
from hpccompat.rules.template.lexer import Token, tokens
from hpccompat.rules.template.refused import DEPTH, REFUSED, TemplateSyntaxError, UnsupportedTemplate
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
    Node,
    Number,
    Operand,
    Pipeline,
    Template,
    Text,
    Variable,
)
from hpccompat.rules.template.values import go_string
from hpccompat.rules.vars_template import WHITE_SPACE


def parse_template(text: str) -> Template:
    """Raises TemplateSyntaxError, and UnsupportedTemplate for what Go has and this does not."""
    return _Parser(list(tokens(text))).template()


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self.found, self.position = found, 0
        self.named: dict[str, Block] = {}
        # In scope, in their order.
        self.variables = {"$": None}
        self.ranges = 0
        self.depth = 0

    # Reading tokens: `peek` and `take` skip white space, `next` does not.

    def next(self) -> Token:
        self.position += 1
        return self.found[self.position - 1]

    def peek(self) -> Token:
        while self.found[self.position].kind == "space":
            self.position += 1
        return self.found[self.position]

    def take(self, *kinds: str) -> Token:
        token = self.peek()
        if kinds and token.kind not in kinds:
            raise TemplateSyntaxError(f"unexpected {token.text!r}")
        self.position += 1
        return token

    def nest(self) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise UnsupportedTemplate(f"nesting over {DEPTH} deep")

    # Blocks.

    def template(self) -> Template:
        main: list[Node] = []
        while self.peek().kind != "end":
            position = self.position
            if self.take().kind == "left" and self.peek().kind == "define":
                self.take()
                self.define(_name(self.take("string", "raw")))
                continue
            self.position = position
            node = self.node()
            if isinstance(node, str):
                raise TemplateSyntaxError(f"unexpected {{{{{node}}}}}")
            main.append(node)
        self.name("", tuple(main))
        return Template(self.named[""], self.named)

    def define(self, name: str) -> None:
        self.take("right")
        self.name(name, self.own_block("define"))

    def own_block(self, what: str) -> Block:
        """A block with variables of its own, up to its end."""
        variables, ranges = self.variables, self.ranges
        self.variables, self.ranges = {"$": None}, 0
        block, end = self.block()
        if end != "end":
            raise TemplateSyntaxError(f"unexpected {{{{{end}}}}} in {what}")
        self.variables, self.ranges = variables, ranges
        return block

    def name(self, name: str, block: Block) -> None:
        """The main block has the empty name. A block of white space is no definition, and can be defined again."""
        known = self.named.get(name, ())
        if _is_empty(known):
            self.named[name] = block
        elif not _is_empty(block):
            raise TemplateSyntaxError(f"multiple definition of template {name!r}")

    def block(self) -> tuple[Block, str]:
        """The nodes up to `end`, or up to `else`, `else if`, `else with`."""
        self.nest()
        nodes: list[Node] = []
        while self.peek().kind != "end":
            node = self.node()
            if isinstance(node, str):
                self.depth -= 1
                return tuple(nodes), node
            nodes.append(node)
        raise TemplateSyntaxError("unexpected EOF")

    def node(self) -> Node | str:
        token = self.take("text", "left")
        if token.kind == "text":
            return Text(go_string(token.text))
        token = self.peek()
        if token.kind in ("if", "range", "with"):
            self.take()
            return self.branch(token.kind)
        if token.kind in ("break", "continue"):
            self.take()
            self.take("right")
            if not self.ranges:
                raise TemplateSyntaxError(f"{{{{{token.kind}}}}} outside {{{{range}}}}")
            return Break(token.kind == "continue")
        if token.kind == "end":
            self.take()
            self.take("right")
            return "end"
        if token.kind == "else":
            return self.otherwise()
        if token.kind in ("template", "block"):
            self.take()
            return self.call(token.kind)
        return Action(self.pipeline("command"))

    def otherwise(self) -> str:
        self.take()
        if self.peek().kind in ("if", "with"):
            return f"else {self.take().kind}"
        self.take("right")
        return "else"

    def branch(self, keyword: str) -> Branch:
        known = len(self.variables)
        arms = []
        while True:
            pipeline = self.pipeline(keyword)
            self.ranges += keyword == "range"
            body, end = self.block()
            self.ranges -= keyword == "range"
            arms.append((pipeline, body))
            if keyword == "range" or end != f"else {keyword}":
                break
        otherwise: Block = ()
        if end == "else":
            otherwise, end = self.block()
        if end != "end":
            raise TemplateSyntaxError(f"expected end; found {{{{{end}}}}}")
        while len(self.variables) > known:
            self.variables.popitem()
        for pipeline, body in reversed(arms):
            otherwise = (found := Branch(keyword, pipeline, body, otherwise),)
        return found

    def call(self, keyword: str) -> Call:
        name = _name(self.take("string", "raw"))
        if keyword == "template" and self.peek().kind == "right":
            self.take()
            return Call(name, None)
        pipeline = self.pipeline(keyword)
        if keyword == "block":
            self.name(name, self.own_block(keyword))
        return Call(name, pipeline)

    # Pipelines.

    def pipeline(self, what: str, end: str = "right") -> Pipeline:
        variables, assigns = self.declared(what)
        commands: list[tuple[Operand, ...]] = []
        while self.peek().kind != end:
            commands.append(self.command())
        self.take()
        if not commands:
            raise TemplateSyntaxError(f"missing value for {what}")
        for operands in commands[1:]:
            if isinstance(operands[0], (Constant, Dot, Nil, Number)):
                raise TemplateSyntaxError("non executable command in pipeline")
        return Pipeline(tuple(commands), variables, assigns)

    def declared(self, what: str) -> tuple[tuple[str, ...], bool]:
        variables: list[str] = []
        while self.peek().kind == "variable":
            position = self.position
            name = self.take().text
            sign = self.peek().kind
            if sign not in (":=", "=", ","):
                self.position = position
                break
            self.take()
            variables.append(name)
            self.variables.setdefault(name)
            if sign != ",":
                return tuple(variables), sign == "="
            if what != "range" or len(variables) > 1:
                raise TemplateSyntaxError(f"too many declarations in {what}")
            if self.peek().kind not in ("variable", "right", ")"):
                raise TemplateSyntaxError("range can only initialize variables")
        return tuple(variables), False

    def command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while True:
            operand = self.operand()
            if operand is not None:
                operands.append(operand)
            token = self.next()
            if token.kind == "space":
                continue
            if token.kind in ("right", ")"):
                self.position -= 1
            elif token.kind != "|":
                raise TemplateSyntaxError(f"unexpected {token.text!r} in operand")
            break
        if not operands:
            raise TemplateSyntaxError("empty command")
        return tuple(operands)

    def operand(self) -> Operand | None:
        term = self.term()
        names: list[bytes] = []
        while term is not None and self.found[self.position].kind == "field":
            names.append(go_string(self.next().text[1:]))
        if term is None or not names:
            return term
        if isinstance(term, (Constant, Number, Nil, Dot)):
            raise TemplateSyntaxError("unexpected . after a term")
        if isinstance(term, Field):
            return Field((*term.names, *names))
        if isinstance(term, Variable):
            return Variable(term.name, (*term.names, *names))
        return Chain(term, tuple(names))

    def term(self) -> Operand | None:
        token = self.peek()
        self.position += 1
        if token.kind == "field":
            return Field((go_string(token.text[1:]),))
        if token.kind == "name":
            return _function(token.text)
        if token.kind == "variable":
            if token.text not in self.variables:
                raise TemplateSyntaxError(f"undefined variable {token.text!r}")
            return Variable(token.text)
        if token.kind in ("string", "raw"):
            return Constant(literal.string(token.text))
        if token.kind in ("number", "complex", "rune"):
            read = {"number": literal.number, "complex": literal.complex_number, "rune": literal.rune}[token.kind]
            return read(token.text)
        if token.kind == "(":
            self.nest()
            found = self.pipeline("parenthesized pipeline", ")")
            self.depth -= 1
            return found
        if token.kind == "bool":
            return Constant(token.text == "true")
        if token.kind == "dot":
            return Dot()
        if token.kind == "nil":
            return Nil()
        self.position -= 1
        return None


def _function(name: str) -> Function:
    if name in REFUSED:
        raise UnsupportedTemplate(f"function {name}, which {REFUSED[name]}")
    if name not in FUNCTIONS:
        raise TemplateSyntaxError(f"function {name!r} not defined")
    return Function(name)


def _name(token: Token) -> str:
    return literal.string(token.text).decode("utf-8", "replace")


def _is_empty(block: Block) -> bool:
    return all(isinstance(each, Text) and not each.text.decode("utf-8", "replace").strip(WHITE_SPACE) for each in block)
