"""The small language that a list of runs is filtered by: `trainer:verl tag:paper reward_mean>0.5 -state:live`.

    filter  = either { "or" either }          either = term { term }           every term of it holds
    term    = [ "-" ] ( test | word | "(" filter ")" )
    test    = field operator value            a word is looked for in project, name, trainer, tags and note

Fields: name, project, trainer, state, tag, note, trouble, severity, step, age, attempts, any quantity (`reward_mean`,
the newest value; `reward_mean.best`, `reward_mean.mean`), `config.<key>`. Operators: `:` contains (`*` and `?` stand
for any text; a tag, state and severity are meant whole), `=`, `!=`, `<`, `<=`, `>`, `>=`, and `~`: matches a regular
expression. What is not known of a run passes no test, and so stays with `-`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from db.quantities import QUANTITIES

Kind = Literal["text", "number", "age", "either"]
Bools = NDArray[np.bool_]

TEXTS = ("name", "project", "trainer", "state", "tag", "note", "trouble", "severity")
NUMBERS = ("step", "attempts")
WHOLE = {"tag", "state", "severity"}
SEARCHED = ("project", "name", "trainer", "tag", "note")
STATISTICS = ("last", "best", "mean")
CONFIG = "config."
LONGEST, DEEPEST = 1000, 20

_FIELD = re.compile(r"([A-Za-z_][\w.\-/@\[\]]*)\s*(!=|<=|>=|[:=<>~])\s*")
_AGES = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


class FilterError(ValueError):
    """What is wrong with a filter, and where: `at` is the place in its text."""

    def __init__(self, message: str, text: str, at: int) -> None:
        super().__init__(message)
        self.message, self.text, self.at = message, text, at

    def shown(self) -> str:
        """The text with a mark under the place."""
        return f"{self.text}\n{' ' * self.at}^ {self.message}"


class Table(Protocol):
    """What is filtered: n runs. texts: of a text field, all that a run has; numbers (n,): NaN where not known."""

    def __len__(self) -> int: ...
    def texts(self, field: str) -> Sequence[tuple[str, ...]]: ...
    def numbers(self, field: str) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """field operator value, at a place in the text. number: the value where it is one, else NaN."""

    field: str
    operator: str
    value: str
    number: float = float("nan")
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Word:
    text: str


@dataclass(frozen=True, slots=True)
class Not:
    of: Node


@dataclass(frozen=True, slots=True)
class Both:
    of: tuple[Node, ...]
    every: bool


Node = Comparison | Word | Not | Both


def parse(text: str) -> Node:
    """A filter as a tree; an empty one lets everything pass. Raises FilterError."""
    return _Parser(text).whole()


def fields(node: Node) -> set[str]:
    """The fields that a filter asks for: what else is in the store need not be read."""
    match node:
        case Comparison():
            return {node.field}
        case Word():
            return set(SEARCHED)
        case Not():
            return fields(node.of)
        case Both():
            return {field for one in node.of for field in fields(one)}


def passing(node: Node, table: Table) -> Bools:
    """(n,) which of the runs pass."""
    match node:
        case Comparison():
            return _holds(node, table)
        case Word():
            return _any(table, [_contains(node.text, table.texts(field)) for field in SEARCHED])
        case Not():
            return ~passing(node.of, table)
        case Both():
            each = [passing(one, table) for one in node.of]
            return _any(table, each) if not node.every else ~_any(table, [~one for one in each])


def kind(field: str) -> Kind | None:
    """What can be asked of a field; None where there is none of that name."""
    if field in TEXTS:
        return "text"
    if field == "age":
        return "age"
    if field.startswith(CONFIG) and len(field) > len(CONFIG):
        return "either"
    return "number" if field in NUMBERS or quantity_of(field) else None


def quantity_of(field: str) -> tuple[str, str] | None:
    """(quantity, statistic) that a field means: reward_mean is (reward_mean, last)."""
    name, _, statistic = field.rpartition(".")
    if name in QUANTITIES and statistic in STATISTICS:
        return name, statistic
    return (field, "last") if field in QUANTITIES else None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def whole(self) -> Node:
        if len(self.text) > LONGEST:
            raise self.error(f"a filter has at most {LONGEST} characters", 0)
        node = self.alternatives()
        if self.at < len(self.text):
            raise self.error("there is no ( to this )", self.at)
        return node

    def error(self, message: str, at: int) -> FilterError:
        return FilterError(message, self.text, at)

    def space(self) -> str:
        """What comes next after white space; "" at the end."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def keyword(self, word: str) -> bool:
        self.space()
        if not re.match(rf"{re.escape(word)}(?=\s|\(|\)|$)", self.text[self.at :], re.IGNORECASE):
            return False
        self.at += len(word)
        return True

    def alternatives(self) -> Node:
        found = [self.terms()]
        while self.keyword("or"):
            found.append(self.terms(needed=True))
        return found[0] if len(found) == 1 else Both(tuple(found), every=False)

    def terms(self, *, needed: bool = False) -> Node:
        found: list[Node] = []
        while (self.space()) not in ("", ")") and not self._or_ahead():
            if not self.keyword("and"):
                found.append(self.term())
        if needed and not found:
            raise self.error("or what?", self.at)
        return found[0] if len(found) == 1 else Both(tuple(found), every=True)

    def _or_ahead(self) -> bool:
        before = self.at
        ahead, self.at = self.keyword("or"), before
        return ahead

    def term(self) -> Node:
        start = self.at
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} deep", start)
        if self.text[start] == "-" or self.keyword("not"):
            self.at += self.text[start] == "-"
            if self.space() in ("", ")"):
                raise self.error("not what?", start)
            node: Node = Not(self.term())
        elif self.text[start] == "(":
            self.at += 1
            node = self.alternatives()
            if self.space() != ")":
                raise self.error("this ( is never closed", start)
            self.at += 1
        else:
            node = self.test() or Word(self.value())
        self.depth -= 1
        return node

    def test(self) -> Comparison | None:
        found = _FIELD.match(self.text, self.at)
        if not found:
            return None
        start, (field, operator) = self.at, found.groups()
        which = kind(field)
        if which is None:
            raise self.error(_unknown(field), start)
        self.at = found.end()
        if self.at == len(self.text) or self.text[self.at] == ")":
            raise self.error(f"{field} {operator} what?", self.at)
        at, value = self.at, self.value()
        return self._checked(Comparison(field, operator, value, kind=which), found.start(2), at)

    def value(self) -> str:
        """A quoted text, or all up to white space or a ) that closes what was opened before."""
        start, opened = self.at, 0
        if self.text[start] == '"':
            end = self.text.find('"', start + 1)
            if end < 0:
                raise self.error("this quotation is never closed", start)
            self.at = end + 1
            return self.text[start + 1 : end]
        while self.at < len(self.text) and not (here := self.text[self.at]).isspace():
            opened += (here == "(") - (here == ")")
            if opened < 0:
                break
            self.at += 1
        return self.text[start : self.at]

    def _checked(self, test: Comparison, operator_at: int, value_at: int) -> Comparison:
        """The test with its number; an operator that makes no sense for its field is refused."""
        if test.kind == "text" and test.operator in ("<", "<=", ">", ">="):
            raise self.error(f"{test.field} is a text: use : = != or ~", operator_at)
        if test.operator == "~":
            if test.kind in ("number", "age"):
                raise self.error(f"{test.field} is a number: use = != < <= > or >=", operator_at)
            if why := _bad_pattern(test.value):
                raise self.error(f"no regular expression: {why}", value_at)
            return test
        number = _number(test.value, age=test.kind == "age")
        if np.isnan(number) and (test.kind in ("number", "age") or test.operator in ("<", "<=", ">", ">=")):
            example = "90s, 20m, 6h or 2d" if test.kind == "age" else "0.5, 1e-6 or 20%"
            raise self.error(f"expected a number such as {example}, found {test.value!r}", value_at)
        return Comparison(test.field, test.operator, test.value, number, test.kind)


def _unknown(field: str) -> str:
    names = [*TEXTS, *NUMBERS, "age", *QUANTITIES]
    near = difflib.get_close_matches(field, names, 1, 0.6)
    tail = f": did you mean {near[0]}?" if near else "; a key of the config is config.<key>"
    return f"there is no field {field}{tail}"


def _number(text: str, *, age: bool) -> float:
    """NaN where the text is no number. An age may have a unit, a number a percent sign."""
    found = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([a-z]*|%)", text.strip())
    if not found:
        return float("nan")
    unit = found[2]
    if age:
        return float(found[1]) * _AGES.get(unit or "s", float("nan"))
    return float(found[1]) * {"": 1.0, "%": 0.01}.get(unit, float("nan"))


def _bad_pattern(pattern: str) -> str:
    """Why RE2 (which no pattern can make slow) does not take it; "" where it does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        return str(error).removeprefix("Invalid regular expression: ")
    return ""


def _holds(test: Comparison, table: Table) -> Bools:
    if test.kind in ("number", "age"):
        return _compared(test, table.numbers(test.field))
    if test.kind == "either" and test.operator in ("<", "<=", ">", ">="):
        return _compared(test, table.numbers(test.field))
    texts = table.texts(test.field)
    if test.operator == "~":
        return _matched(test.value, texts)
    if test.operator == ":" and test.field not in WHOLE:
        return _contains(test.value, texts)
    alike = _equal(test.value, texts)
    if test.kind == "either" and not np.isnan(test.number):
        alike |= np.isclose(table.numbers(test.field), test.number)
    return alike if test.operator != "!=" else ~alike & np.array([bool(held) for held in texts], bool)


def _compared(test: Comparison, values: NDArray[np.float64]) -> Bools:
    if test.operator == "!=":
        return ~np.isclose(values, test.number) & ~np.isnan(values)
    return np.asarray(_COMPARE[test.operator](values, test.number), bool)


_COMPARE: dict[str, Callable[[NDArray[np.float64], float], NDArray[np.bool_]]] = {
    ":": np.isclose,
    "=": np.isclose,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _each(texts: Sequence[tuple[str, ...]], holds: Callable[[str], bool]) -> Bools:
    return np.array([any(map(holds, held)) for held in texts], bool)


def _contains(wanted: str, texts: Sequence[tuple[str, ...]]) -> Bools:
    wanted = wanted.casefold()
    if "*" in wanted or "?" in wanted:
        return _equal(wanted, texts)
    return _each(texts, lambda text: wanted in text.casefold())


def _equal(wanted: str, texts: Sequence[tuple[str, ...]]) -> Bools:
    pattern = wanted.casefold().replace("[", "[[]")
    return _each(texts, lambda text: fnmatchcase(text.casefold(), pattern))


def _matched(pattern: str, texts: Sequence[tuple[str, ...]]) -> Bools:
    import pyarrow as pa
    import pyarrow.compute as pc

    at = np.repeat(np.arange(len(texts)), [len(held) for held in texts])
    flat = pa.array(list(_flat(texts)), pa.string())
    found = np.zeros(len(texts), bool)
    found[at[pc.match_substring_regex(flat, pattern, ignore_case=True).to_numpy(zero_copy_only=False)]] = True
    return found


def _flat(texts: Sequence[tuple[str, ...]]) -> Iterator[str]:
    return (text for held in texts for text in held)


def _any(table: Table, each: Sequence[Bools]) -> Bools:
    return np.any(each, axis=0) if each else np.zeros(len(table), bool)
