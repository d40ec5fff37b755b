"""What is encoded is decoded, in the order that the format states, whatever the order of groups."""

from contextlib import suppress
from itertools import accumulate

import numpy as np
import pytest
from nic_core.coding import Interleaved, Tables
from nic_core.errors import DamagedFile
from nic_latent.coding import LATENT_GRID, SCALE_GRID, Decode, Encode, Gaussians, Round, checksum
from nic_latent.entropy_model import EntropyModel
from nic_latent.integers.fixed import Fixed, joined
from nic_latent.integers.layers import Affine, Conv
from nic_latent.integers.nets import Net
from nic_latent.integers.step import Step
from nic_latent.orders.context import Context, Order, Params, at_once, checkerboard, drive, slices_of
from nic_latent.raster import RasterOrder, waves


def table_rows(widths: list[int]) -> Tables:
    """Return tables of flat distributions over so many integers around zero, and an escape."""
    rows = []
    for width in widths:
        shares = np.full(width, 65000 // width)
        rows.append([0, *accumulate(shares), 1 << 16])
    longest = max(map(len, rows))
    cdf = np.array([[*row, *[0] * (longest - len(row))] for row in rows])
    return Tables(cdf, np.array([len(row) for row in rows]), np.array([-(width // 2) for width in widths]))


GAUSSIANS = Gaussians(
    (np.array([0.11, 0.5, 2, 8, 40]) * 2**SCALE_GRID).astype(np.int32), table_rows([3, 5, 9, 33, 129])
)


def projection(inputs: int, outputs: int, seed: int, grid: int, kernel: int = 1) -> Net:
    """Return a net of one convolution with small random weights, from the latent grid."""
    random = np.random.default_rng(seed)
    weight = random.integers(-900, 900, (outputs, inputs, kernel, kernel)).astype(np.int16)
    bias = random.integers(-(1 << 20), 1 << 20, outputs)
    bias[: outputs // 2] += 1 << 23  # scales are positive
    layer = Conv((4,), (1 << 14) - 1, weight, bias, np.full(outputs, 6), 1, kernel // 2)
    return Net((LATENT_GRID,), (Step(layer, (0,), grid),))


def joining(parts: tuple[int, ...], outputs: int, seed: int) -> Net:
    """Return the same for several inputs."""
    net = projection(sum(parts), outputs, seed, 14)
    layer = net.steps[0].layer
    assert isinstance(layer, Conv)
    several = Conv((4,) * len(parts), layer.largest, layer.weight, layer.bias, layer.shift, 1, 0)
    return Net((LATENT_GRID,) * len(parts), (Step(several, tuple(range(len(parts))), 14),))


def two_slices(nets: object, hyper: Fixed) -> Context:
    """A checkerboard of two channels, then three channels by their positions on the ladder."""
    first, second = slices_of([2, 3])
    decoded = yield from checkerboard(nets("anchors", hyper), lambda anchors: nets("rest", hyper, anchors), first)
    scale, mean = nets("second", hyper, decoded).chunk(2, 1)
    return [decoded, (yield Params(mean, scale, second, scale_is_index=True))]


HYPER = 4


def models() -> dict[str, tuple[int, Order, dict[str, Net]]]:
    """Return orders with their nets, and the channels of y; the hyper-synthesis is a projection too."""
    index = Affine(np.full(6, 1, np.int32), np.full(6, 1 << 14), 0)
    second = joining((HYPER, 2), 6, 5)
    return {
        "once": (3, at_once, {"h_s": projection(2, 6, 0, 14)}),
        "slices": (
            5,
            two_slices,
            {
                "h_s": projection(2, HYPER, 1, LATENT_GRID),
                "anchors": projection(HYPER, 4, 2, 14),
                "rest": joining((HYPER, 2), 4, 3),
                "second": Net(second.input_grids, (*second.steps, Step(index, (2,), 14))),
            },
        ),
        "raster": (
            2,
            RasterOrder(1),
            {
                "h_s": projection(2, 4, 1, LATENT_GRID),
                "raster.taps": projection(8, 4, 2, LATENT_GRID),
                "raster.predict": joining((4, 4), 4, 3),
            },
        ),
    }


def model(name: str) -> tuple[EntropyModel, int]:
    channels, order, nets = models()[name]
    medians = np.array([300, -5000], np.int32)
    return EntropyModel(order, nets, medians, table_rows([5, 9]), GAUSSIANS, 1), channels


@pytest.mark.parametrize("name", models())
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (6, 7)])
def test_decoded_is_what_was_coded(name: str, size: tuple[int, int]) -> None:
    entropy_model, channels = model(name)
    random = np.random.default_rng(sum(size))
    y, z = random.normal(0, 6, (1, *size, channels)), random.normal(0, 2, (1, *size, 2))
    entropy_model.check(channels)
    stream, found = entropy_model.encode(y, z, Interleaved())
    y_hat, decoded = entropy_model.decode(stream, size, channels, Interleaved())
    assert decoded == found
    assert y_hat.values.shape == y.shape
    assert np.abs(y_hat.numbers - y).max() <= 0.5 + 2**-LATENT_GRID
    assert entropy_model.encode(y, z, Interleaved()) == (stream, found)


def test_other_nets_are_noticed() -> None:
    entropy_model, channels = model("slices")
    y, z = np.random.default_rng(0).normal(0, 6, (1, 8, 8, channels)), np.zeros((1, 8, 8, 2))
    stream, found = entropy_model.encode(y, z, Interleaved())
    other = EntropyModel(
        two_slices,
        {**entropy_model.nets, "anchors": projection(HYPER, 4, 99, 14)},
        *(entropy_model.medians, entropy_model.z_tables, GAUSSIANS, 1),
    )
    with suppress(DamagedFile):
        assert other.decode(stream, (8, 8), channels, Interleaved())[1] != found


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2.0**18])
def test_latents_out_of_hand_are_refused(bad: float) -> None:
    entropy_model, channels = model("once")
    y = np.zeros((1, 2, 2, channels))
    y[0, 1, 0, 1] = bad
    with pytest.raises(ValueError, match="out of range"):
        entropy_model.encode(y, np.zeros((1, 2, 2, 2)), Interleaved())


def test_nets_that_do_not_fit_are_refused() -> None:
    entropy_model, channels = model("slices")
    with pytest.raises(ValueError, match=r"instead of \(1, 1, 6\)"):
        entropy_model.check(channels + 1)
    for nets in ({"rest": projection(HYPER, 4, 0, 14)}, {"anchors": joining((HYPER, 2), 4, 0)}):
        with pytest.raises(ValueError, match=""):
            EntropyModel(two_slices, {**entropy_model.nets, **nets}, *_rest(entropy_model)).check(channels)
    missing = {name: net for name, net in entropy_model.nets.items() if name != "second"}
    with pytest.raises(ValueError, match="second"):
        EntropyModel(two_slices, missing, *_rest(entropy_model)).check(channels)


def _rest(entropy_model: EntropyModel) -> tuple:
    return entropy_model.medians, entropy_model.z_tables, entropy_model.gaussians, entropy_model.ratio


class Recorder:
    """Keeps what is pushed, and gives it back."""

    def __init__(self) -> None:
        self.symbols: list[int] = []
        self.rows: list[int] = []

    def push(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        self.symbols += symbols.tolist()
        self.rows += indexes.tolist()

    def pull(self, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        assert self.rows[: len(indexes)] == indexes.tolist()
        found, self.symbols = self.symbols[: len(indexes)], self.symbols[len(indexes) :]
        self.rows = self.rows[len(indexes) :]
        return np.array(found, np.int32)


def constant(mean: float, scale: float, shape: tuple[int, ...], **how: object) -> Params:
    return Params(Fixed.of(np.full(shape, mean), 16), Fixed.of(np.full(shape, scale), 20), **how)


def test_symbols_are_rounded_halves_upwards_and_scales_take_the_first_step_not_below() -> None:
    y = Fixed.of(np.array([0.5, 1.5, -0.5, -1.5, 0.49, 3.25]).reshape(1, 1, 6, 1), LATENT_GRID)

    def context() -> Context:
        return [(yield constant(0, 0.5, (1, 1, 6, 1)))]

    recorder = Recorder()
    drive(context(), Encode(y, GAUSSIANS, recorder, 0))
    assert recorder.symbols == [1, 2, 0, -1, 0, 3]
    assert recorder.rows == [1] * 6
    for scale, row in ((0.0, 0), (0.1, 0), (0.12, 1), (0.5, 1), (0.51, 2), (2, 2), (39, 4), (4000, 4), (-7, 0)):
        assert GAUSSIANS.indexes(constant(0, scale, (1, 1, 1, 1))).tolist() == [[[[row]]]], scale
    for position, row in ((-3, 0), (0.49, 0), (0.5, 1), (3.4, 3), (9, 4)):
        params = constant(0, position, (1, 1, 1, 1), scale_is_index=True)
        assert GAUSSIANS.indexes(params).tolist() == [[[[row]]]], position


def test_order_of_symbols_is_row_column_channel_over_the_groups_positions() -> None:
    y = np.arange(2 * 3 * 4, dtype=float).reshape(1, 2, 3, 4)

    def context() -> Context:
        whole = yield constant(0, 40, (1, 2, 3, 2), channels=slice(2, 4))
        first = yield constant(0, 40, (1, 2, 3, 2), channels=slice(0, 2), parity=1)
        second = yield constant(0, 40, (1, 2, 3, 2), channels=slice(0, 2), parity=0)
        return [first + second, whole]

    recorder = Recorder()
    encode = Encode(Fixed.of(y, LATENT_GRID), GAUSSIANS, recorder, 0)
    coded = joined(drive(context(), encode), LATENT_GRID)
    expected = [*y[..., 2:].reshape(-1), *y[0, [0, 1, 1], [1, 0, 2], :2].reshape(-1)]
    assert recorder.symbols == [*expected, *y[0, [0, 0, 1], [0, 2, 1], :2].reshape(-1)]
    assert encode.checksum == checksum(np.array(recorder.symbols, np.int32))
    assert np.array_equal(coded.numbers, y)
    decode = Decode(GAUSSIANS, recorder, 0)
    assert np.array_equal(joined(drive(context(), decode), LATENT_GRID).values, coded.values)
    assert decode.checksum == encode.checksum


def test_rounding_alone_gives_what_coding_gives() -> None:
    entropy_model, channels = model("slices")
    y = np.random.default_rng(1).normal(0, 6, (2, 4, 6, channels))
    hyper = Fixed.of(np.random.default_rng(2).normal(0, 1, (2, 4, 6, HYPER)), LATENT_GRID)

    def run(code: object, hyper: Fixed) -> np.ndarray:
        nets = lambda name, *inputs, parity=None: entropy_model.nets[name](*inputs)  # noqa: E731
        return joined(drive(two_slices(nets, hyper), code), LATENT_GRID).values

    both = run(Round(Fixed.of(y, LATENT_GRID)), hyper)
    for number in range(2):
        code = Encode(Fixed.of(y[number : number + 1], LATENT_GRID), GAUSSIANS, Recorder(), 0)
        one = run(code, Fixed(hyper.values[number : number + 1], hyper.grid))
        assert np.array_equal(one[0], both[number])


@pytest.mark.parametrize(("size", "reach"), [((1, 1), 2), ((3, 4), 1), ((5, 2), 2)])
def test_waves_visit_each_position_once_after_what_it_sees(size: tuple[int, int], reach: int) -> None:
    seen: set[tuple[int, int]] = set()
    for rows, columns in waves(*size, reach):
        wave = set(zip(rows.tolist(), columns.tolist(), strict=True))
        for row, column in wave:
            window = {(row + down, column + right) for down in range(-reach, 1) for right in range(-reach, reach + 1)}
            before = {place for place in window if place < (row, column) and place[0] >= 0 and 0 <= place[1] < size[1]}
            assert before <= seen
        assert not wave & seen
        seen |= wave
    assert len(seen) == size[0] * size[1]
