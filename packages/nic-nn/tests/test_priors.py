"""The entropy models: compressai's probabilities and table rows, in a logarithm that stays exact far out."""

import copy
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from nic_nn.entropy.priors import FactorizedPrior, GaussianPrior, LikelihoodFloor, log_normal_cdf
from nic_nn.nets.compressai_parts import EntropyBottleneck, GaussianConditional, LowerBound

LADDER = GaussianPrior().scale_table


def gaussian_conditional() -> GaussianConditional:
    """Return compressai's model on the same ladder."""
    return GaussianConditional(LADDER.tolist())


def factorized(channels: int = 3) -> FactorizedPrior:
    """Return a prior with random densities."""
    torch.manual_seed(0)
    prior = FactorizedPrior(channels, likelihood_floor=0)
    for name, parameter in prior.named_parameters():
        if name != "quantiles":
            parameter.data += 0.3 * torch.randn_like(parameter)
    return prior.eval()


def test_gaussian_likelihoods_are_compressais() -> None:
    torch.manual_seed(1)
    residual = 30 * torch.randn(4000, dtype=torch.float64)
    scale = torch.exp(torch.empty_like(residual).uniform_(-4, 6))
    theirs = gaussian_conditional().double()._likelihood(residual, scale)
    ours = GaussianPrior(likelihood_floor=0).double().log_likelihood(residual, scale)
    seen = theirs > 1e-6
    assert 500 < seen.sum() < 4000
    torch.testing.assert_close(ours[seen], theirs[seen].log(), rtol=1e-5, atol=1e-6)
    single = GaussianPrior(likelihood_floor=0).log_likelihood(residual.float(), scale.float())
    torch.testing.assert_close(single[seen], theirs[seen].log().float(), rtol=1e-3, atol=1e-4)


def test_factorized_likelihoods_are_compressais() -> None:
    prior = factorized().double()
    z = torch.linspace(-600, 600, 1201, dtype=torch.float64).expand(2, 3, 1, -1)
    columns = z.permute(1, 0, 2, 3).reshape(3, 1, -1)
    found = EntropyBottleneck._likelihood(prior, columns)
    theirs = (found[0] if isinstance(found, tuple) else found).reshape(3, 2, 1, -1).permute(1, 0, 2, 3)
    ours = prior.log_likelihood(z)
    seen = theirs > 1e-6
    assert 100 < seen.sum() < seen.numel()
    torch.testing.assert_close(ours[seen], theirs[seen].log(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.exp()[0].sum(-1), torch.ones(3, 1, dtype=torch.float64), rtol=0, atol=0.01)


def test_table_rows_are_compressais() -> None:
    up, down = torch.tensor(math.inf), torch.tensor(-math.inf)
    grid = torch.cat(
        [
            LADDER,
            torch.nextafter(LADDER, up),
            torch.nextafter(LADDER, down),
            torch.linspace(-1, 300, 20_001),
            torch.tensor([0.0, -5.0, 1e-30, 1e30, math.inf, -math.inf, math.nan]),
        ]
    )
    rows = GaussianPrior().index_of(grid)
    assert rows.dtype == torch.int32
    torch.testing.assert_close(rows, gaussian_conditional().build_indexes(grid).int())
    torch.testing.assert_close(rows[:64], torch.arange(64, dtype=torch.int32))


def test_positions_on_the_ladder() -> None:
    prior = GaussianPrior()
    torch.testing.assert_close(prior.scale_of(torch.arange(64.0)), LADDER)
    middle = prior.scale_of(torch.tensor([10.5]))
    torch.testing.assert_close(middle, (LADDER[10] * LADDER[11]).sqrt()[None])
    torch.testing.assert_close(prior.scale_of(torch.tensor([-3.0, 99.0])), LADDER[[0, -1]])


def test_positions_beyond_the_ladder_can_come_back() -> None:
    index = torch.tensor([-3.0, -3.0, 99.0, 99.0, 10.0]).requires_grad_()
    (GaussianPrior().scale_of(index) * torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])).sum().backward()
    assert index.grad is not None
    assert (index.grad != 0).tolist() == [False, True, True, False, True]  # a descent leads inwards, or nowhere


def test_a_centred_prior_learns_no_quantiles_and_finds_its_tails() -> None:
    torch.manual_seed(0)
    prior = FactorizedPrior(3, likelihood_floor=0, filters=(3, 3), centred=True).eval()
    for name, parameter in prior.named_parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
        assert name != "quantiles"
    prior.biases[2].data[0] = 9.0  # far from its centre
    assert not prior.medians.any() and len(prior.matrices) == 3
    tables = prior.tables()
    for channel in range(3):
        symbols = torch.arange(tables.length[channel] - 2, dtype=torch.float32) + int(tables.offset[channel])
        assert symbols[0] <= 0 <= symbols[-1]
        likelihoods = prior.log_likelihood(symbols.expand(1, 3, 1, -1))[0, channel, 0].exp()
        assert likelihoods.sum() > 1 - 1e-6
        frequencies = np.diff(tables.rows[channel])[:-1] / 65536
        np.testing.assert_allclose(frequencies, likelihoods.detach(), rtol=0.02, atol=1e-3)
    assert "quantiles" not in prior.state_dict()


@pytest.mark.parametrize("floor", [0.0, 1e-9])
def test_gaussians_stay_finite(floor: float) -> None:
    prior = GaussianPrior(likelihood_floor=floor)
    distances = [0.0, 0.5, 1.0, 9.0, 100.0, 1e4, 1e6]
    residual = torch.tensor([sign * d for d in distances for sign in (1, -1)])[:, None].repeat(1, 7).requires_grad_()
    scale = torch.tensor([-1.0, 0.0, 0.11, 1.0, 30.0, 256.0, 1e6]).repeat(len(residual), 1).requires_grad_()
    log_likelihood = prior.log_likelihood(residual, scale)
    log_likelihood.sum().backward()
    for values in (log_likelihood, residual.grad, scale.grad):
        assert values.isfinite().all()
    assert (log_likelihood <= 1e-6).all()
    assert floor == 0 or (log_likelihood >= math.log(floor) - 1e-4).all()
    far = log_likelihood[8, 2].item()  # a hundred units away at the smallest scale, in nats
    assert far == pytest.approx(math.log(floor) if floor else -0.5 * (99.5 / 0.11) ** 2, rel=1e-3)


def test_factorized_densities_stay_finite() -> None:
    prior = factorized()
    z = torch.tensor([0.0, 1.0, -20.0, 300.0, -1e4, 1e6]).expand(1, 3, 1, -1).clone().requires_grad_()
    log_likelihood = prior.log_likelihood(z)
    log_likelihood.sum().backward()
    assert log_likelihood.isfinite().all()
    assert z.grad.isfinite().all()
    assert (log_likelihood[..., -1] < -10).all()


def test_the_floor_has_the_gradient_of_a_floor_on_likelihoods() -> None:
    floor = 1e-3
    log_p = torch.log(torch.tensor([0.5, 2e-3, 5e-4, 1e-6], dtype=torch.float64)).requires_grad_()
    out = LikelihoodFloor(floor)(log_p)
    torch.testing.assert_close(out.exp(), torch.tensor([0.5, 2e-3, floor, floor], dtype=torch.float64))
    (-out).sum().backward()
    torch.testing.assert_close(
        log_p.grad, torch.tensor([-1.0, -1.0, -0.5, -1e-3], dtype=torch.float64), rtol=1e-6, atol=1e-9
    )
    far = torch.tensor([-1e6, -3e38], requires_grad=True)
    (-LikelihoodFloor(1e-9)(far)).sum().backward()
    assert far.grad.tolist() == [0.0, 0.0]
    same = torch.tensor([-1e6])
    assert LikelihoodFloor(0)(same) is same


@pytest.mark.parametrize("scale_is_index", [False, True])
def test_tables_hold_the_probabilities(scale_is_index: bool) -> None:
    """Of the middle of the scales that take a row, or of the ladder's own where nets predict positions on it."""
    prior = GaussianPrior(scale_is_index=scale_is_index)
    tables = prior.tables()
    assert len(tables.length) == 64
    for row in (0, 20, 40, 63):
        scale = LADDER[row] if scale_is_index or row in (0, 63) else (LADDER[row - 1] * LADDER[row]).sqrt()
        symbols = torch.arange(tables.length[row] - 2, dtype=torch.float32) + int(tables.offset[row])
        likelihoods = prior.log_likelihood(symbols, scale.expand_as(symbols)).exp()
        frequencies = np.diff(tables.rows[row])[:-1] / 65536
        np.testing.assert_allclose(frequencies, likelihoods, rtol=0.02, atol=3e-4)


def test_coding_by_the_tables_costs_what_the_likelihoods_say() -> None:
    """Scales between two steps of the ladder lose hardly anything by the table that they share."""
    torch.manual_seed(0)
    prior = GaussianPrior()
    tables = prior.tables()
    scale = torch.exp(torch.empty(40_000).uniform_(math.log(0.3), math.log(20)))
    symbols = torch.round(scale * torch.randn_like(scale))
    expected = -prior.log_likelihood(symbols, scale).sum().item() / math.log(2)
    rows = prior.index_of(scale).numpy()
    places = symbols.numpy().astype(int) - tables.offset[rows]
    assert (places >= 0).all() and (places < tables.length[rows] - 2).all()
    frequencies = np.array(
        [tables.rows[row][at + 1] - tables.rows[row][at] for row, at in zip(rows, places, strict=True)]
    )
    assert -np.log2(frequencies / 65536).sum() == pytest.approx(expected, rel=1e-3)


def test_factorized_tables_have_a_row_for_each_channel() -> None:
    factor = factorized(5)
    assert len(factor.tables().length) == 5


def test_a_prior_saves_only_what_it_needs() -> None:
    assert set(GaussianPrior().state_dict()) == {"scale_table"}
    assert not [name for name in factorized().state_dict() if name.startswith(("_quantized_cdf", "_offset", "_cdf"))]


@pytest.mark.parametrize("wanted", [1.0, -1.0], ids=["likelier", "less likely"])
def test_the_floor_passes_the_gradients_of_compressais_bound(wanted: float) -> None:
    likelihoods = torch.tensor([0.5, 2e-9, 0.9e-9, 1e-10, 1e-20])
    ours = likelihoods.log().requires_grad_()
    (-wanted * LikelihoodFloor(1e-9)(ours)).sum().backward()
    theirs = likelihoods.clone().requires_grad_()
    (-wanted * LowerBound(1e-9)(theirs).log()).sum().backward()
    assert ours.grad is not None and theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad * likelihoods, rtol=1e-4, atol=1e-12)
    assert bool(ours.grad[2:].any()) == (wanted > 0)  # below the floor nothing is pushed further down


def test_the_normal_distributions_logarithm_has_a_gradient_everywhere() -> None:
    x = torch.tensor([3.0, -3.0, -99.9, -100.1, -1e4, -1e5, -1e15], requires_grad=True)
    exact = x.detach().double().requires_grad_()
    log_normal_cdf(x).sum().backward()
    torch.special.log_ndtr(exact)[:4].sum().backward()
    assert x.grad is not None and exact.grad is not None
    torch.testing.assert_close(x.grad[:4].double(), exact.grad[:4], rtol=1e-3, atol=0)
    torch.testing.assert_close(x.grad[4:], -x.detach()[4:])  # the slope of -x^2 / 2
    values = log_normal_cdf(x.detach())
    torch.testing.assert_close(values.double(), torch.special.log_ndtr(x.detach().double()), rtol=1e-6, atol=0)
    residual = torch.tensor([1e4, 1e7, 1e25]).requires_grad_()
    GaussianPrior().log_likelihood(residual, torch.full((3,), 0.11)).sum().backward()
    assert residual.grad is not None and residual.grad.isfinite().all()


def test_priors_are_made_and_copied_in_several_threads() -> None:
    barrier = threading.Barrier(4)

    def make(_: int) -> int:
        barrier.wait()
        for _ in range(20):
            prior = copy.deepcopy(FactorizedPrior(2))
        return len(prior.tables().length) + len(GaussianPrior(levels=3).tables().length)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(make, range(4))) == [5] * 4
