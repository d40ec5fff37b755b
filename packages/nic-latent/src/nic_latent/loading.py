"""What decides symbols in a weights file, read without torch: integer nets, entropy tables and medians."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from nic_core.coding import Tables
from nic_core.errors import BadWeights
from nic_core.weights.record import FLOATS, read_info
from safetensors import SafetensorError, safe_open

from nic_latent.coding import LATENT_GRID, SCALE_GRID, Gaussians
from nic_latent.entropy_model import EntropyModel
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.nets import Net
from nic_latent.integers.stored import PREFIX, from_tensors
from nic_latent.orders.context import Order

TABLES = "tables"
LADDER = "gaussian.scale_table"
QUANTILES = "entropy_bottleneck.quantiles"
"""Float32 (C of z, 1, 3), the medians in the middle; files of priors without learned medians have none."""
LARGEST_TABLES = 1 << 26
"""Entries of all tables of a latent, each as long as the longest."""

Arrays = Mapping[str, np.ndarray]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a weights file, without floats, which coding needs not; BadWeights where it is not read."""
    try:
        with safe_open(path, "np") as file:
            names = [name for name in file.keys() if not name.startswith(f"{FLOATS}.")]  # noqa: SIM118, it is no mapping
            return read_info(path).scope.whole({name: file.get_tensor(name) for name in names})
    except (SafetensorError, OSError, KeyError) as error:  # a KeyError for a type that numpy lacks
        raise BadWeights(f"{path.name} cannot be read: {error}") from error


def entropy_model(arrays: Arrays, order: Order, ratio: int, y_channels: int, path: Path) -> EntropyModel:
    """Return the integer entropy model of a weights file's arrays; BadWeights where it holds none that fits.

    ratio: how many times smaller z's sides are than y's.
    """
    nets = nets_of(arrays, path)
    if not nets:
        raise BadWeights(f"{path.name} codes in floating point, which needs torch; nic weights upgrade makes integers")
    try:
        scales = arrays[LADDER].astype(np.float64)
        channels = len(arrays[f"{TABLES}.z.length"])
        medians = arrays[QUANTILES][:, 0, 1].astype(np.float64) if QUANTILES in arrays else np.zeros(channels)
    except (KeyError, IndexError) as error:
        raise BadWeights(f"{path.name} holds no whole entropy model: {error}") from error
    rows = {"y": len(scales), "z": len(medians)}
    tables = {latent: tables_of(arrays, latent, count, path) for latent, count in rows.items()}
    whole_medians = Fixed.of(medians.reshape(1, 1, 1, -1), LATENT_GRID).values.reshape(-1)
    gaussians = Gaussians(ladder_of(scales), tables["y"])
    model = EntropyModel(order, nets, whole_medians, tables["z"], gaussians, ratio)
    check(model, y_channels, path)
    return model


def ladder_of(scales: np.ndarray) -> np.ndarray:
    """Return float64 scales as int32 on the grid where scales are compared."""
    return np.rint(np.ldexp(scales, SCALE_GRID)).astype(np.int32)


def check(model: EntropyModel, y_channels: int, path: Path) -> None:
    """Run all nets once; BadWeights where they do not fit each other."""
    try:
        model.check(y_channels)
    except ValueError as error:
        sizes = f"with sides of y {model.ratio} times those of z, which is stride / y_stride"
        raise BadWeights(f"{path.name} holds integer nets that do not fit, {sizes}: {error}") from error


def nets_of(arrays: Arrays, path: Path) -> dict[str, Net]:
    """Return the integer nets among arrays; none where there are no tensors of any. BadWeights for damaged ones."""
    integers = {name: array for name, array in arrays.items() if name.startswith(PREFIX)}
    try:
        return from_tensors(integers) if integers else {}
    except (KeyError, ValueError) as error:
        raise BadWeights(f"{path.name} holds damaged integer nets: {error}") from error


def inside(nets: Mapping[str, Net]) -> Callable[[str], bool]:
    """Return what tells whether an entry of a state belongs to the module that one of the nets is."""
    return lambda name: name.startswith(tuple(f"{net}." for net in nets))


def tables_of(arrays: Arrays, latent: str, rows: int, path: Path) -> Tables:
    """Return the tables of a latent; BadWeights where there are none or not `rows` of them."""
    try:
        cdf, length, offset = (arrays[f"{TABLES}.{latent}.{name}"] for name in ("cdf", "length", "offset"))
        if len(length) != rows:
            raise BadWeights(f"{path.name} holds {len(length)} entropy tables for {latent} instead of {rows}")
        return Tables(_padded(cdf, length), length, offset)
    except KeyError as error:
        raise BadWeights(f"{path.name} holds no entropy tables for {latent}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise BadWeights(f"{path.name} holds damaged entropy tables for {latent}: {error}") from error


def _padded(cdf: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return rows that lie end to end as a rectangle; ValueError where their lengths do not add up."""
    if length.min(initial=0) < 0 or length.sum() != cdf.size:
        raise ValueError(f"the lengths of the rows add up to {length.sum()}, not {cdf.size}")
    if len(length) * length.max(initial=0) > LARGEST_TABLES:
        raise ValueError(f"together they have more than {LARGEST_TABLES} entries")
    rows = np.zeros((len(length), length.max(initial=0)), np.int32)
    rows[np.arange(rows.shape[1]) < length[:, None]] = cdf
    return rows
