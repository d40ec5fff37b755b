"""The raster-scan context: what it sees, and that waves code what position after position would."""

import pytest
import torch
from nic_core.coding import Interleaved
from nic_latent.orders.context import Context, Params, Scan, drive
from nic_nn.entropy.float_coding import Decode, Encode
from nic_nn.entropy.latent import Estimate, nets_of, of
from nic_nn.entropy.priors import GaussianPrior
from nic_nn.raster import RasterScan
from torch import Tensor, nn

PRIOR = GaussianPrior()
TABLES = PRIOR.tables()
CHANNELS = 6
SIZES = [(1, 1), (1, 7), (7, 1), (2, 3), (5, 4), (4, 12)]


@pytest.fixture(scope="module")
def raster() -> RasterScan:
    torch.manual_seed(0)
    raster = RasterScan(CHANNELS).eval().requires_grad_(False)
    raster.window.weight.mul_(4)
    raster.predict[-1].weight.mul_(4)
    raster.predict[-1].bias[:CHANNELS] = 3  # scales
    return raster


def latents(*size: int) -> tuple[Tensor, Tensor]:
    """Return y and the output of a hyper-synthesis."""
    torch.manual_seed(sum(size))
    return 5 * torch.randn(1, CHANNELS, *size), torch.randn(1, 2 * CHANNELS, *size)


def steps(raster: RasterScan, hyper: Tensor) -> Context:
    return raster.steps(nets_of(nn.ModuleDict({"raster": raster})), hyper)


def scan_of(raster: RasterScan, hyper: Tensor) -> Scan:
    scan = next(steps(raster, hyper))
    assert isinstance(scan, Scan)
    return scan


@pytest.mark.parametrize("size", SIZES)
def test_decoded_is_what_was_coded_to_the_last_bit(raster: RasterScan, size: tuple[int, int]) -> None:
    y, hyper = latents(*size)
    encoder = Interleaved().encoder()
    encode = Encode(y, PRIOR, TABLES, encoder)
    coded = drive(steps(raster, hyper), encode)[0]
    decode = Decode(PRIOR, TABLES, Interleaved().decoder(encoder.finish(), y.numel()))
    decoded = drive(steps(raster, hyper), decode)[0]
    torch.testing.assert_close(coded, decoded, rtol=0, atol=0)
    assert encode.checksum == decode.checksum
    assert (coded - y).abs().max() <= 0.5 + 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_waves_are_position_after_position(raster: RasterScan, size: tuple[int, int]) -> None:
    y, hyper = latents(*size)
    scan, y_hat = scan_of(raster, hyper), torch.zeros_like(y)
    for row in range(size[0]):
        for column in range(size[1]):
            mean = scan.whole(y_hat).mean[..., row, column]
            y_hat[..., row, column] = torch.round(y[..., row, column] - mean) + mean
    seen: list[Params] = []

    def code(params: Params) -> Tensor:
        seen.append(params)
        return torch.round(of(params, y) - params.mean) + params.mean

    torch.testing.assert_close(drive(scan.steps(), code)[0], y_hat, rtol=0, atol=1e-4)
    order = [(int(row), int(column)) for params in seen for row, column in zip(*params.at, strict=True)]
    assert sorted(order) == [(row, column) for row in range(size[0]) for column in range(size[1])]
    assert len(seen) == size[1] + 3 * (size[0] - 1)
    whole = scan.whole(y_hat)
    for params in seen:
        for name in ("mean", "scale"):
            expected = getattr(whole, name)[..., params.at[0], params.at[1]]
            torch.testing.assert_close(getattr(params, name), expected, rtol=0, atol=1e-4)


def test_a_position_sees_the_window_before_it(raster: RasterScan) -> None:
    y, hyper = latents(7, 8)
    scan = scan_of(raster, hyper)
    before = scan.whole(y).mean
    y[..., 3, 4] += 10
    changed = (scan.whole(y).mean != before).any(1)[0]
    rows, columns = changed.nonzero(as_tuple=True)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        *((3, column) for column in (5, 6)),
        *((row, column) for row in (4, 5) for column in range(2, 7)),
    }


def test_measuring_quantises_y_itself_for_the_context(raster: RasterScan) -> None:
    y, hyper = latents(4, 5)
    estimate = Estimate(y, PRIOR)
    y_hat = drive(steps(raster, hyper), estimate)[0]
    torch.testing.assert_close(y_hat, y.round())
    params = scan_of(raster, hyper).whole(y.round())
    expected = PRIOR.log_likelihood((y - params.mean).round(), params.scale)
    torch.testing.assert_close(estimate.log_likelihood, expected)

    def noise(like: Tensor) -> Tensor:
        return torch.full_like(like, 0.25)

    estimate = Estimate(y, PRIOR, noise)
    torch.testing.assert_close(drive(steps(raster, hyper), estimate)[0], y + 0.25)
    params = scan_of(raster, hyper).whole(y + 0.25)
    expected = PRIOR.log_likelihood(y + 0.25 - params.mean, params.scale)
    torch.testing.assert_close(estimate.log_likelihood, expected)


def test_what_is_ahead_learns_nothing() -> None:
    raster = RasterScan(CHANNELS)
    y, hyper = latents(5, 5)
    scan_of(raster, hyper).whole(y).mean.sum().backward()
    learned = (raster.window.weight.grad != 0).any(0).any(0)
    assert learned.flatten().tolist() == [True] * 12 + [False] * 13
