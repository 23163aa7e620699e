"""Reading a YAML file in which every mistake is reported with its line."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import yaml

T = TypeVar("T")
_TYPE_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


class FileError(Exception):
    """The file cannot be used; the message names the file, the line and what is wrong."""


@dataclass(frozen=True)
class Place:
    """Where something stands in a file."""

    source: str
    line: int
    path: str = ""

    def fail(self, problem: str) -> NoReturn:
        raise FileError(f"{self.source}, line {self.line}: {problem}")


@dataclass(frozen=True)
class Section:
    """A mapping of the file. `path` says which, "" for the file itself."""

    place: Place
    nodes: dict[str, yaml.Node]

    def __contains__(self, key: str) -> bool:
        return key in self.nodes

    def at(self, key: str) -> Place:
        """Where `key` stands; where the section begins if it is absent."""
        node = self.nodes.get(key)
        return self.place if node is None else Place(self.place.source, _line(node), self._path(key))

    def demand(self, *keys: str) -> None:
        """Fail on the first of `keys` that is absent."""
        for key in keys:
            if key not in self.nodes:
                self.place.fail(f"{self._path(key)} is missing.")

    def value(self, key: str, wanted: type[T]) -> T:
        """The scalar at `key`, which must be of the type `wanted`."""
        found = _scalar(self.nodes[key])
        if wanted is float and isinstance(found, int) and not isinstance(found, bool):
            found = float(found)
        if not isinstance(found, wanted) or (isinstance(found, bool) and wanted is not bool):
            hint = (
                " (put it in quotes)"
                if wanted is str and isinstance(self.nodes[key], yaml.ScalarNode)
                else ""
            )
            self.at(key).fail(f"{self._path(key)} must be {_TYPE_NAMES[wanted]}{hint}.")
        return found

    def is_empty(self, key: str) -> bool:
        """Whether the value at `key` is null."""
        node = self.nodes[key]
        return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"

    def section(self, key: str, known: Sequence[str] | None) -> "Section":
        """The mapping at `key`, which may have the keys `known`; None: any."""
        return _section(self.at(key), self.nodes[key], known)

    def sections(self, key: str, known: Sequence[str]) -> Iterator["Section"]:
        """The mappings in the list at `key`."""
        for place, node in self._items(key):
            yield _section(place, node, known)

    def texts(self, key: str) -> list[str]:
        """The texts in the list at `key`."""
        found = []
        for place, node in self._items(key):
            text = _scalar(node)
            if not isinstance(text, str):
                place.fail(f"{place.path} must be text (put it in quotes).")
            found.append(text)
        return found

    def words(self, key: str) -> list[str]:
        """The scalars in the list at `key` as they are written: a date is its text here."""
        found = []
        for place, node in self._items(key):
            if not isinstance(node, yaml.ScalarNode):
                place.fail(f"{place.path} must be text.")
            found.append(node.value)
        return found

    def is_section(self, key: str) -> bool:
        """Whether the value at `key` is a mapping."""
        return isinstance(self.nodes[key], yaml.MappingNode)

    def _items(self, key: str) -> Iterator[tuple[Place, yaml.Node]]:
        node = self.nodes[key]
        if not isinstance(node, yaml.SequenceNode):
            self.at(key).fail(f"{self._path(key)} must be a list.")
        for index, item in enumerate(node.value):
            yield Place(self.place.source, _line(item), f"{self._path(key)}[{index}]"), item

    def _path(self, key: str) -> str:
        return f"{self.place.path}.{key}" if self.place.path else key


def read(source: str, text: str, known: Sequence[str]) -> Section:
    """The mapping that a file consists of."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileError(f"{source}, line {line}: this is not YAML ({error.problem}).") from None
    except yaml.YAMLError:
        raise FileError(
            f"{source}, line 1: this is not YAML (it holds characters that YAML does not allow)."
        ) from None
    if node is None:
        raise FileError(f"{source}, line 1: the file is empty.")
    return _section(Place(source, _line(node)), node, known)


def _section(place: Place, node: yaml.Node, known: Sequence[str] | None) -> Section:
    if not isinstance(node, yaml.MappingNode):
        place.fail(f"{place.path or 'the file'} must be a mapping of names to values.")
    nodes: dict[str, yaml.Node] = {}
    for key_node, value in node.value:
        key, at = str(key_node.value), Place(place.source, _line(key_node))
        path = f"{place.path}.{key}" if place.path else key
        if known is not None and key not in known:
            at.fail(f"{path} is unknown{_suggestion(key, known)}")
        if key in nodes:
            at.fail(f"{path} is there twice.")
        nodes[key] = value
    return Section(place, nodes)


def _suggestion(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f": did you mean {close[0]}?"
    return f": known here are {', '.join(known)}." if known else ": nothing can be set here."


def _scalar(node: yaml.Node) -> Any:
    """The value of a scalar; None for anything else, and for what only looks like a date or a number."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    try:
        return yaml.SafeLoader("").construct_object(node, deep=True)
    except (ValueError, yaml.YAMLError):
        return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
