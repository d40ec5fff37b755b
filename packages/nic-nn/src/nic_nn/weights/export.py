"""Writing weights files of latent models, with integer nets, frozen tables and fingerprints."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nic_core.errors import BadOption, BadWeights
from nic_core.files.atomic import atomic_path
from nic_core.progress import report
from nic_core.weights import WeightsInfo, fingerprint, plain
from nic_core.weights.record import FLOATS, GRAPHS
from nic_latent.integers.stored import to_tensors
from nic_latent.loading import TABLES, inside
from safetensors.torch import save_file
from torch import Tensor

from nic_nn.model import LatentModel
from nic_nn.weights.geometry import check_shapes
from nic_nn.weights.graphs import graphs_of
from nic_nn.weights.loading import read_tensors, scope_of
from nic_nn.weights.siblings import entropy_of

NIC_GRAPHS = "NIC_GRAPHS"
"""Environment variable: 0 leaves graphs of the transforms out of weights files."""


def export(
    model: LatentModel,
    path: Path,
    info: WeightsInfo,
    *,
    half: bool = False,
    floats: bool = False,
    calibrate: Path | None = None,
    integers_of: Path | None = None,
) -> WeightsInfo:
    """Write a model with its integer nets and tables; return the record as written, fingerprints filled in.

    info: what to record; its config and fingerprints are taken from the model.
    half: store the transforms' tensors in float16, half the size; integers are what they are either way.
    floats: keep the parameters that integer nets state in floating point too, so that the model measures what it did;
        coding does not need them.
    calibrate: a folder of pictures whose values the integers' ranges are chosen by, and whose symbols the tables of y
        are counted by, which makes files about 1 % smaller; None for some of scikit-image, and tables of Gaussians.
    integers_of: weights with the same entropy model in floating point, whose integers to take instead of making some:
        files of either decode with both, up to the synthesis transform.

    The record's provenance says under "integers" what they were made from, and how many values on other pictures were
    limited; under "graphs", which transforms the file holds as graphs too, or why it holds none. NIC_GRAPHS=0 leaves
    them out, which saves some seconds.

    BadWeights, and no file, for a value that is not finite, for a net that has no integer form, by its layer's name,
    and for `integers_of` that do not fit. BadOption for `calibrate` without pictures, or with both. PluginFault where
    latents or pictures have other sizes or channels than the model says.
    """
    check_making(calibrate, integers_of)
    check_shapes(model)
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if half:
        exact = ("entropy_bottleneck.", "gaussian.")
        state = {
            name: value if name.startswith(exact) or not value.is_floating_point() else value.half()
            for name, value in state.items()
        }
    config, scope = dataclasses.asdict(model.config), scope_of(model)
    copies = tuple(f"{copy}." for copy, _ in scope.shared)
    state = {name: value for name, value in state.items() if not name.startswith(copies)}
    if broken := [name for name, value in state.items() if not torch.isfinite(value).all()]:
        raise BadWeights(f"the weights cannot be used: {broken[0]!r} has values that are not finite")
    if integers_of is None:
        origin = _make_integers(model, calibrate)
        state, stated = _with_integers(model, state)
    else:
        known, entropy = entropy_of(model, integers_of)
        origin = {"of": known.name, "summary": plain(f"those of {known.codec} {known.name}")}
        stated = {name: value for name, value in state.items() if scope.role(name) == "entropy" and name not in entropy}
        state = {name: value for name, value in state.items() if scope.role(name) != "entropy"} | entropy
        # Weights of before lack fields that have their defaults, and the fingerprints cover what is written.
        defaults = {item.name: item.default for item in dataclasses.fields(model.config)}
        config = {name: config[name] for name in config if name in known.config or config[name] != defaults[name]}
    graphs, remark = _graphs(model) if os.environ.get(NIC_GRAPHS) != "0" else ({}, f"none: {NIC_GRAPHS}=0 was set")
    state |= graphs
    if floats:
        state |= {f"{FLOATS}.{name}": value for name, value in stated.items()}
    parts: dict[str, dict[str, np.ndarray]] = {"entropy": {}, "synthesis": {}, "analysis": {}, GRAPHS: {}, FLOATS: {}}
    for name, value in state.items():
        parts[scope.role(name)][name] = value.numpy()
    info = dataclasses.replace(
        info,
        config=config,
        entropy_id=fingerprint(parts["entropy"], scope.deciding(config)),
        synthesis_id=fingerprint(parts["synthesis"], config),
        scope=scope,
        provenance={**info.provenance, "integers": origin, GRAPHS: remark},
    )
    with atomic_path(path) as temporary:
        save_file(state, temporary, info.to_metadata())
    return info


def add_graphs(model: LatentModel, path: Path, output: Path, info: WeightsInfo) -> None:
    """Write the weights file `path` of a model again, with graphs; BadWeights where it has none."""
    graphs, remark = _graphs(model)
    if not graphs:
        raise BadWeights(f"no graphs can be made for {path.name}: {remark}")
    info = dataclasses.replace(info, provenance={**info.provenance, GRAPHS: remark})
    with atomic_path(output) as temporary:
        save_file({**read_tensors(path), **graphs}, temporary, info.to_metadata())


def _graphs(model: LatentModel) -> tuple[dict[str, Tensor], str]:
    """Return the graphs of a model's transforms as tensors, and what the record says of them."""
    report("writing graphs", 0, 1)
    try:
        graphs = graphs_of(model)
    except ValueError as error:
        return {}, plain(f"none: {error}")
    finally:
        report("writing graphs", 1, 1)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in graphs.items()}
    return tensors, plain(", ".join(model.graphs) or "none")


def check_making(calibrate: Path | None, integers_of: Path | None) -> None:
    """BadOption where both are given, of which `export` takes one."""
    if calibrate is not None and integers_of is not None:
        raise BadOption("integers are made or taken: --calibrate and --integers-of do not go together")


def _make_integers(model: LatentModel, calibrate: Path | None) -> dict[str, Any]:
    """Make a model's integers; return what the record says of them."""
    from nic_nn.integers.calibration import OTHERS, carried, latents_of, of_folder  # bring torch.fx
    from nic_nn.integers.limits import limited

    report("making integers", 0, 2)
    given = None if calibrate is None else of_folder(calibrate, model.stride)
    model.make_integers(given)
    pictures = given or carried(model.stride)
    assert model.integers is not None
    report("making integers", 1, 2)
    others = carried(model.stride, OTHERS)
    counts = limited(model.integers, *latents_of(model, others))
    report("making integers", 2, 2)
    return {
        "pictures": [plain(name) for name in pictures.names],
        "side": pictures.pixels[0].shape[0],
        "summary": plain(
            f"ranges {'and tables ' if calibrate else ''}from {len(pictures.names)} pictures of "
            f"{calibrate.name if calibrate else 'scikit-image'}; "
            f"{counts.beyond} of {counts.values:.2g} values on {len(others.names)} other pictures were limited"
        ),
    }


def _with_integers(model: LatentModel, state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return a state with integer nets and tables, without the parameters that the nets state; and those."""
    from nic_nn.integers.floats import parameters_of  # brings torch.fx, which coding does not need

    assert model.integers is not None
    nets = model.integers.nets
    left_out = parameters_of(model, nets).keys() & set(filter(inside(nets), state))
    stated = {name: value for name, value in state.items() if name in left_out}
    state = {name: value for name, value in state.items() if name not in left_out}
    state |= {name: torch.from_numpy(array.copy()) for name, array in to_tensors(nets).items()}
    for latent, tables in (model.tables or {}).items():
        # Rows end to end: padded to one length they would be eight times as large.
        arrays = {"cdf": np.concatenate(tables.rows), "length": tables.length, "offset": tables.offset}
        state |= {f"{TABLES}.{latent}.{name}": torch.from_numpy(array) for name, array in arrays.items()}
    return state, stated
