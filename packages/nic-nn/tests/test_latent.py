"""One coding order, three drivers: what is measured is what is coded is what is decoded."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from nic_core.coding import Interleaved, Tables
from nic_latent.coding import checksum
from nic_latent.orders.context import Context, Params, drive
from nic_nn.entropy.float_coding import Decode, Encode, as_symbols, indexes
from nic_nn.entropy.latent import Estimate, channels_last, round_ste
from nic_nn.entropy.priors import GaussianPrior
from torch import Tensor

PRIOR = GaussianPrior()
TABLES = PRIOR.tables()


def context(hyper: Tensor) -> Context:
    """Two channels in both parities, three at once by table index, one in reverse parities; each sees all before."""
    first = yield Params(hyper[:, :2], hyper[:, :2].abs() + 4, slice(0, 2), parity=0)
    mean = hyper[:, :2] + 0.3 * first.mean((1, 2, 3), keepdim=True) + 0.1 * first.roll(1, -1)
    second = yield Params(mean, mean.abs() + 4, slice(0, 2), parity=1)
    both = first + second
    mean = hyper[:, 2:5] - 0.2 * both.sum(1, keepdim=True)
    third = yield Params(mean, 34 + mean, slice(2, 5), scale_is_index=True)
    parts = []
    for parity in (1, 0):
        mean = hyper[:, 5:] + 0.1 * third[:, :1] + sum(parts)
        parts.append((yield Params(mean, 5 + 0 * mean, slice(5, 6), parity=parity)))
    return [both, third, sum(parts)]


def joined(context: Context, code: Callable[[Params], Tensor]) -> Tensor:
    """Return what a context ends with, in one piece."""
    return torch.cat(list(drive(context, code)), 1)


class Recorder:
    """An entropy coder that keeps everything."""

    def __init__(self) -> None:
        self.symbols: list[int] = []
        self.rows: list[int] = []

    def push(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        self.symbols += symbols.tolist()
        self.rows += indexes.tolist()

    def finish(self) -> bytes:
        return b""


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5), (8, 8), (16, 24)])
def test_three_drivers_agree(size: tuple[int, int]) -> None:
    torch.manual_seed(sum(size))
    y, hyper = 5 * torch.randn(1, 6, *size), 2 * torch.randn(1, 6, *size)
    estimate = Estimate(y, PRIOR)
    measured = joined(context(hyper), estimate)
    assert measured.shape == estimate.log_likelihood.shape == y.shape
    assert (measured - y).abs().max() <= 0.5 + 1e-5

    encoder = Interleaved().encoder()
    encode = Encode(y, PRIOR, TABLES, encoder)
    coded = joined(context(hyper), encode)
    stream = encoder.finish()
    decode = Decode(PRIOR, TABLES, Interleaved().decoder(stream, y.numel()))
    decoded = joined(context(hyper), decode)
    torch.testing.assert_close(coded, decoded, rtol=0, atol=0)
    torch.testing.assert_close(measured, decoded, rtol=0, atol=1e-5)
    assert encode.checksum == decode.checksum
    bits = -estimate.log_likelihood.sum().item() / np.log(2)
    assert abs(8 * len(stream) - bits) < 0.03 * bits + 96

    recorder = Recorder()
    drive(context(hyper), Encode(y, PRIOR, TABLES, recorder))
    assert len(recorder.symbols) == y.numel()
    assert checksum(np.array(recorder.symbols, np.int32)) == encode.checksum
    ahead = (size[0] * size[1] + 1) // 2  # positions of parity 0
    first = np.round((y - hyper)[0, :2].numpy())[:, np.add.outer(*map(np.arange, size)) % 2 == 0]
    assert recorder.symbols[: 2 * ahead] == first.reshape(-1).astype(int).tolist()


def test_positions_outside_a_parity_cost_nothing() -> None:
    y, hyper = torch.full((1, 1, 4, 4), 900.0), torch.zeros(1, 1, 4, 4)

    def one_parity(hyper: Tensor) -> Context:
        return [(yield Params(hyper, hyper + 1, parity=0))]

    estimate = Estimate(y, PRIOR)
    y_hat = joined(one_parity(hyper), estimate)
    assert (y_hat != 0).sum() == 8
    assert (estimate.log_likelihood != 0).sum() == 8


def test_training_draws_noise_and_passes_gradients() -> None:
    torch.manual_seed(3)
    y = (3 * torch.randn(2, 6, 4, 4)).requires_grad_()
    hyper = torch.randn(2, 6, 4, 4, requires_grad=True)
    drawn = []

    def noise(like: Tensor) -> Tensor:
        drawn.append(like.shape)
        return torch.zeros_like(like) + 0.25

    estimate = Estimate(y, PRIOR, noise)
    y_hat = joined(context(hyper), estimate)
    assert [shape[1] for shape in drawn] == [2, 2, 3, 1, 1]
    (y_hat.sum() - estimate.log_likelihood.sum()).backward()
    for gradient in (y.grad, hyper.grad):
        assert gradient.isfinite().all()
        assert (gradient != 0).any()
    # The decoder sees rounded values all the same.
    torch.testing.assert_close(y_hat, joined(context(hyper), Estimate(y, PRIOR)))


@pytest.mark.parametrize(("given", "kept"), [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)])
def test_probabilities_are_in_full_precision(given: torch.dtype, kept: torch.dtype) -> None:
    torch.manual_seed(4)
    y, hyper = (3 * torch.randn(1, 6, 4, 4)).to(given), torch.randn(1, 6, 4, 4).to(given)
    estimate = Estimate(y, PRIOR)
    drive(context(hyper), estimate)
    assert estimate.log_likelihood.dtype == kept


def test_latents_of_less_precision_can_be_coded() -> None:
    """Numpy has no bfloat16, in which transforms may run."""
    values = torch.tensor([0.5, -2.0, 3.0]).reshape(1, 3, 1, 1)
    array = channels_last(values.bfloat16())
    assert array.dtype == np.float32
    assert array.tolist() == [[[[0.5, -2.0, 3.0]]]]
    assert channels_last(values.double()).dtype == np.float64


def test_rounding_passes_gradients_straight_through() -> None:
    values = torch.tensor([0.4, 0.6, -1.5], requires_grad=True)
    rounded = round_ste(values)
    assert rounded.tolist() == pytest.approx([0.0, 1.0, -2.0])
    rounded.sum().backward()
    assert values.grad.tolist() == [1.0, 1.0, 1.0]


def test_params_that_are_no_numbers_still_name_a_row() -> None:
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), -3.0, 70.0]).reshape(1, 1, 1, 5)
    for by_index in (False, True):
        rows = indexes(Params(odd, odd, scale_is_index=by_index), PRIOR)
        assert rows.dtype == torch.int32
        assert ((rows >= 0) & (rows < 64)).all()


def test_symbols_are_flat_int32_and_their_checksum_continues() -> None:
    symbols = as_symbols(torch.tensor([[1.0, -2.0], [300.0, 0.0]]))
    assert symbols.dtype == np.int32
    assert symbols.tolist() == [1, -2, 300, 0]
    assert checksum(symbols) == checksum(symbols[2:], checksum(symbols[:2])) == 0x55F2D396
