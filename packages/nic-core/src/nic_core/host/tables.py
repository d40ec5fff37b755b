"""Values by picture, read from JSON: captions, or any option that has another value for each picture."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from nic_core.errors import BadOption, NicError
from nic_core.files.json_files import read_json, read_json_value
from nic_core.spec import CodecSpec, Option


@dataclass(frozen=True)
class Table:
    """One or several values for each picture, by its file name or by the last parts of its path."""

    values: Mapping[str, tuple[Any, ...]]

    def of(self, path: str | os.PathLike[str]) -> tuple[Any, ...]:
        """Return the values of the picture at a path, () where there are none.

        "a/b/1.png" is looked for as "a/b/1.png", "b/1.png" and "1.png", so that a path below any folder fits.
        """
        parts = PurePath(path).parts
        ends = (PurePath(*parts[start:]).as_posix() for start in range(len(parts)))
        return next((self.values[end] for end in ends if end in self.values), ())


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read {file: value or list of values}, or COCO's captions JSON, whose captions come by rising id.

    NicError for anything else.
    """
    content = read_json(path)
    try:
        if isinstance(content.get("annotations"), list):
            return Table(_coco_captions(content))
        return Table({name: _scalars(value) for name, value in content.items()})
    except (AttributeError, KeyError, TypeError) as error:
        raise NicError(
            f"{path} holds no values by picture: they are {{file: value}}, or COCO's captions JSON"
        ) from error


def read_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read a list of pictures' names or paths: JSON of texts, or a text file with one a line. NicError otherwise."""
    if os.fspath(path).lower().endswith(".json"):
        names = read_json_value(path)
    else:
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise NicError(f"{path} cannot be read as a list of names: {error}") from error
        names = [line.strip() for line in lines if line.strip()]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise NicError(f"{path} is no list of pictures' names: a JSON list, or a text file with one a line")
    return tuple(names)


class Names:
    """Pictures that a list names, by their file names or by the last parts of their paths, as a `Table` has them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._table = Table({PurePath(name).as_posix(): (name,) for name in names})

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        """Tell whether the list names the picture at a path."""
        return bool(self._table.of(path))


class EncodeOptions:
    """A codec's encode options, where those with a table (`Option.table`) may have another value for each picture.

    spec: the codec's record. given: values by the names of options, and paths of JSON files by those of tables.

    Raises BadOption for a name that does not exist, a value that does not fit (with the picture whose it is), and an
    option given beside its table; NicError for a table that cannot be read.
    """

    def __init__(self, spec: CodecSpec, given: Mapping[str, Any]) -> None:
        tabled = {option.table_key: option for option in spec.options if option.table}
        keys = {name: name.replace("-", "_") for name, value in given.items() if value is not None}
        self._shared = spec.options_for("encode", {name: given[name] for name in keys if keys[name] not in tabled})
        self._tables: list[tuple[Option, str, Table]] = []  # the file's path and the parsed values
        for name, key in keys.items():
            if option := tabled.get(key):
                if option.key in keys.values():
                    raise BadOption(f"give {option.name} or {option.table}, not both")
                path = os.fspath(given[name])
                self._tables.append((option, path, _parsed(option, path)))

    def of(self, picture: str | os.PathLike[str]) -> dict[str, Any]:
        """Return every option for the picture at a path, to give to `Codec.encode`.

        Of several values the first, or all as a tuple where the option says so (`Option.several`).
        BadOption where a table does not list the picture.
        """
        own = {}
        for option, path, table in self._tables:
            found = table.of(picture)
            if not found:
                raise BadOption(f"{path} has no {option.name} for {os.fspath(picture)}")
            own[option.key] = found if len(found) > 1 else found[0]
        return {**self._shared, **own}


def _parsed(option: Option, path: str) -> Table:
    """Return an option's table with the values of each picture that it takes, checked."""
    checked = {}
    for picture, values in read_table(path).values.items():
        try:
            checked[picture] = tuple(map(option.parse, values if option.several else values[:1]))
        except BadOption as error:
            raise BadOption(f"{path}, {picture}: {error}") from error
    return Table(checked)


def _coco_captions(content: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    names = {image["id"]: image["file_name"] for image in content["images"]}
    captions: dict[str, tuple[str, ...]] = {}
    for annotation in sorted(content["annotations"], key=lambda annotation: annotation.get("id", 0)):
        name = names[annotation["image_id"]]
        captions[name] = (*captions.get(name, ()), annotation["caption"])
    return captions


def _scalars(value: Any) -> tuple[Any, ...]:
    values = tuple(value) if isinstance(value, list) else (value,)
    if any(isinstance(item, dict | list) for item in values):
        raise TypeError("a value is text, a number, true or false")
    return values
