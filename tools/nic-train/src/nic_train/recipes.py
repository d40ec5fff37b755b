"""Finding a recipe and setting its values: by name or from a TOML file, then from the command line."""

import dataclasses
import sys
import types
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from nic_core.errors import BadOption, NicError
from nic_core.plugins import blamed, codec_spec, records
from nic_core.spec import Option, RecipeSpec, resolve
from nic_nn.training.augmentation import Augmentation
from nic_nn.training.contract import Recipe, Stage
from nic_nn.training.sizes import sizes_of

from nic_train.data.pictures import Extent

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OF_THE_RUN = (
    *("batch", "crop", "crop_width", "val_crop", "val_whole", "epochs", "classes", "ema", "model"),
    *(item.name for item in dataclasses.fields(Augmentation)),
)
"""Values that no stage can change."""

SIZE = "model."
"""What the names of values begin with that are sizes of the model."""
SHARED = 3_603_600
"""Steps of a recipe by which its stages' shares are told: divisible by whatever recipes divide by."""

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]


@dataclass(frozen=True)
class Choice:
    """A recipe by name, and what differs from it; run.json holds it.

    values: of the recipe's fields. stages: instead of the recipe's own, as tables of name, steps, trainable, values.
    only: the names of the stages to train, None for all.
    """

    name: str
    values: dict[str, Value] = field(default_factory=dict)
    stages: list[dict[str, Value]] | None = None
    only: list[str] | None = None


def recipe_spec(codec: str, name: str | None) -> RecipeSpec:
    """Return a codec's recipe by name, its first one without; CodecNotFound, NicError where there is none."""
    codec_spec(codec)
    found = [spec for _, spec in records("nic_recipes") if spec.codec == codec]
    for spec in found:
        if name in (None, spec.name):
            return spec
    known = ", ".join(spec.name for spec in found) or "none"
    raise NicError(f"{codec} has no recipe {name or ''!r}; it has {known}")


def named(name: str, recipe: str | None) -> tuple[str, str | None]:
    """Return codec and recipe of what `nic train` is given: of a recipe's name alone, with the codec that has it."""
    found = [spec for _, spec in records("nic_recipes")]
    if recipe is None and all(spec.codec != name for spec in found):
        return next(((spec.codec, name) for spec in found if spec.name == name), (name, None))
    return name, recipe


def choose(codec: str, name: str | None) -> Choice:
    """Return what `--recipe` names: a recipe of the codec, or a TOML file that says what differs from one."""
    if name is None or not name.endswith(".toml"):
        return Choice(recipe_spec(codec, name).name)
    try:
        table = tomllib.loads(Path(name).read_text())
    except OSError as error:
        raise NicError(f"cannot read {name}: {error.strerror}") from error
    except RecursionError as error:
        raise BadOption(f"{name} is nested too deeply") from error
    except ValueError as error:  # of the form, of the encoding, or of a number without end
        raise BadOption(f"{name} is no TOML file: {error}") from error
    base, stages = table.pop("recipe", None), table.pop("stages", None)
    if stages is not None and not (isinstance(stages, list) and all(isinstance(item, dict) for item in stages)):
        raise BadOption(f"{name}: stages are written as [[stages]] tables")
    if isinstance(sizes := table.get("model"), dict):
        del table["model"]
        table |= {f"{SIZE}{key}": value for key, value in sizes.items()}
    return Choice(recipe_spec(codec, base).name, table, stages)


def make_recipe(codec: str, choice: Choice) -> Recipe:
    """Return the recipe with its values set; BadOption names a wrong one, with what is expected and what was given."""
    spec = recipe_spec(codec, choice.name)
    with blamed(spec, "its start"):
        recipe = resolve(spec.target)(codec=codec, **spec.values)
    return dataclasses.replace(recipe, **checked_values(recipe, choice.values))


def crop_of(recipe: Recipe) -> Extent:
    """Return the size of training crops."""
    width = getattr(recipe, "crop_width", 0)
    return (recipe.crop, width) if width and width != recipe.crop else recipe.crop


def make_stages(recipe: Any, choice: Choice) -> tuple[Stage, ...]:
    """Return the stages to train: the recipe's, or those of the choice; BadOption where it names others.

    Where the choice takes only some and says how many steps, these share the steps as they do in the whole recipe.
    """
    if choice.stages is None:
        stages = recipe.stages()
    else:
        stages = tuple(_stage(recipe, number, table) for number, table in enumerate(choice.stages, 1))
    if choice.only is None:
        return stages
    names = [stage.name for stage in stages]
    if unknown := [name for name in choice.only if name not in names]:
        raise BadOption(f"the recipe has no stage {unknown[0]!r}; it has {', '.join(names)}")
    chosen = [stage for stage in stages if stage.name in choice.only]
    if choice.stages is not None or "steps" not in choice.values:
        return tuple(chosen)
    whole = dataclasses.replace(recipe, steps=SHARED).stages()
    shares = list(accumulate(stage.steps for stage in whole if stage.name in choice.only))
    ends = [0, *(recipe.steps * share // shares[-1] for share in shares)]
    steps = [end - start for start, end in pairwise(ends)]
    return tuple(dataclasses.replace(stage, steps=count) for stage, count in zip(chosen, steps, strict=True))


def _stage(recipe: Any, number: int, table: dict[str, Any]) -> Stage:
    values = {key: value for key, value in table.items() if key not in ("name", "steps", "trainable")}
    if "steps" not in table:
        raise BadOption(f"stage {number} says no steps")
    if of_run := [key for key in values if key.split(".")[0] in OF_THE_RUN]:
        raise BadOption(f"stage {number} sets {of_run[0]}, which is the same for the whole run")
    return Stage(
        str(table.get("name", f"stage {number}")),
        parse("steps", int, table["steps"]),
        checked_values(recipe, values),
        parse("trainable", tuple[str, ...], table.get("trainable", [""])),
    )


def checked_values(recipe: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return values in the types of a recipe's fields; those of the model's sizes together, as its field `model`."""
    hints = get_type_hints(type(recipe))
    kinds = {item.name: hints[item.name] for item in dataclasses.fields(recipe) if item.name not in ("codec", "model")}
    kinds |= {f"{SIZE}{name}": kind for name, kind in sizes_of(getattr(recipe, "config", None)).items()}
    for name in values:
        if name not in kinds:
            raise BadOption(f"the recipe has no value {name!r}; it has {', '.join(kinds)}")
    parsed = {name: parse(name, kinds[name], value) for name, value in values.items()}
    sizes = {name.removeprefix(SIZE): parsed.pop(name) for name in values if name.startswith(SIZE)}
    return {**parsed, "model": {**recipe.model, **sizes}} if sizes else parsed


def parse(name: str, kind: Any, value: Any) -> Any:
    """Return `value`, text or from TOML or JSON, as a field's type; BadOption otherwise."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return Option(name, str, None, "", choices=tuple(map(str, arguments))).parse(value)
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        wanted = len(arguments) if Ellipsis not in arguments else None
        if not isinstance(items, (list, tuple)) or wanted not in (None, len(items)):
            raise BadOption(f"{name} must be {wanted or 'a list of'} values, not {value!r}")
        return tuple(parse(name, arguments[0] if wanted is None else arguments[i], v) for i, v in enumerate(items))
    if origin in (Union, types.UnionType):
        rest = [argument for argument in arguments if argument is not type(None)]
        return None if value in (None, "none") else parse(name, rest[0], value)
    if isinstance(value, bool) and kind is not bool:
        raise BadOption(f"{name} must be of type {kind.__name__}, not {value!r}")
    return Option(name, kind, None, "").parse(value)
