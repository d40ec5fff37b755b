"""The search for cheaper latents: what it lowers, what it never does, and how it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from nic_core import progress
from nic_core.coding import Interleaved
from nic_core.format.tiling import Area
from nic_core.testing.pictures import smooth
from nic_latent.orders.context import Context, Params, checkerboard, drive
from nic_nn.entropy.float_coding import Encode
from nic_nn.entropy.latent import Estimate, channels_last, nets_of
from nic_nn.entropy.priors import GaussianPrior
from nic_nn.pixels import to_tensor
from nic_nn.raster import RasterScan
from nic_nn.refinement.effort import STEPS, Effort, effort_of
from nic_nn.refinement.objective import Objective
from nic_nn.refinement.relaxation import Between, Measure, Relaxed, between, curvature, expected
from nic_nn.refinement.search import Windows, refined
from nic_nn.testing import Tiny, tiny
from torch import Tensor

WHOLE = Windows(1024, 64)


@pytest.fixture(scope="module")
def model() -> Tiny:
    model = tiny()
    model.make_integers()
    return model


def objective_of(model: Tiny, height: int = 64, width: int = 128, lmbda: float = 0.01) -> Objective:
    """Return the cost of a picture."""
    x = to_tensor(smooth(height, width).pixels, model.stride, torch.device("cpu"))
    return Objective(model, x, (height, width), model.synthesise, lmbda)


def start_of(objective: Objective) -> tuple[Tensor, Tensor]:
    """Return what the analysis gives."""
    with torch.no_grad():
        y = objective.model.analyse(objective.x)
        return y, objective.model.h_a(y)


def test_cost_falls_and_the_given_latents_stay(model: Tiny) -> None:
    objective = objective_of(model)
    y, z = start_of(objective)
    kept = y.clone(), z.clone()
    found = refined(objective, y, z, Effort(20), WHOLE)
    assert objective.coded(*found) < 0.97 * objective.coded(y, z)
    assert torch.equal(y, kept[0])
    assert torch.equal(z, kept[1])


def test_more_steps_find_more(model: Tiny) -> None:
    objective = objective_of(model)
    costs = [objective.coded(*refined(objective, *start_of(objective), Effort(steps), WHOLE)) for steps in (2, 10, 50)]
    assert costs == sorted(costs, reverse=True)
    assert tuple(sorted(STEPS)) == STEPS
    assert effort_of(9).steps == STEPS[8]


def test_the_same_comes_out_twice_whatever_else_is_drawn(model: Tiny) -> None:
    objective = objective_of(model)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(refined(objective, *start_of(objective), Effort(5), WHOLE))
    assert all(map(torch.equal, *found))


def test_what_gets_worse_is_not_returned(model: Tiny) -> None:
    objective = objective_of(model)
    y, z = start_of(objective)
    found = refined(objective, y, z, Effort(5, rate=50.0, reach=50.0), WHOLE)
    assert torch.equal(found[0], y)
    assert torch.equal(found[1], z)


def test_errors_count_where_the_picture_is(model: Tiny) -> None:
    """Not in the padding, and of gray pictures in the mean of the channels."""
    objective = objective_of(model, 40, 70)
    y, z = start_of(objective)
    whole = Objective(model, objective.x, (64, 128), model.synthesise, 0.01)
    assert objective.coded(y, z) < whole.coded(y, z)
    gray = Objective(model, objective.x, (40, 70), model.synthesise, 0.01, gray=True)
    with torch.no_grad():
        x_hat = model.synthesise(decoded(model, y, z)).clamp(0, 1)[..., :40, :70].mean(1)
    error = (x_hat - objective.x[..., :40, :70].mean(1)).square().sum().item()
    stream, _ = model.encode_latents(channels_last(y), channels_last(z))
    assert gray.coded(y, z) == pytest.approx(8 * len(stream) + 0.01 * 255**2 * error, rel=1e-5)


def decoded(model: Tiny, y: Tensor, z: Tensor) -> Tensor:
    stream, _ = model.encode_latents(channels_last(y), channels_last(z))
    return model.decode_stream(stream, tuple(z.shape[2:]), "interleaved")[0]


def test_windows_lower_the_cost_of_the_whole(model: Tiny) -> None:
    objective = objective_of(model, 130, 200)
    y, z = start_of(objective)
    windows = Windows(64, 64)
    parts = windows.of(192, 256)
    assert sum(part.width * part.height for part, _ in parts) == 192 * 256
    assert all(seen.meets(part) and seen.within(Area(0, 0, 256, 192)) == seen for part, seen in parts)
    found = refined(objective, y, z, Effort(10), windows)
    assert objective.coded(*found) < 0.99 * objective.coded(y, z)


def test_progress_is_told_and_an_end_is_asked_for(model: Tiny) -> None:
    """Who has enough gets the best so far; an exception ends all as ever."""
    objective = objective_of(model)
    y, z = start_of(objective)
    steps: list[tuple[int, int]] = []
    notes: list[str] = []

    @contextmanager
    def improving() -> Iterator[Callable[[], bool]]:
        yield lambda: bool(steps) and steps[-1][0] >= 3

    def step(what: str, done: int, total: int) -> None:
        steps.append((done, total))

    with progress.listening(progress.Listener(step, notes.append, improving=improving)):
        found = refined(objective, y, z, Effort(40), WHOLE)
    assert steps == [(0, 40), (1, 40), (2, 40), (3, 40), (40, 40)]
    assert notes == ["the search was ended at step 3 of 40: the best so far is kept"]
    assert objective.coded(*found) < objective.coded(y, z)

    def stop() -> None:
        raise TimeoutError

    with progress.checking(stop), pytest.raises(TimeoutError):
        refined(objective, y, z, Effort(40), WHOLE)


def test_integers_cost_what_they_cost_and_others_what_lies_between() -> None:
    values = torch.tensor([0.0, 1.0, -2.0, 0.25]).requires_grad_()

    def log_likelihood(values: Tensor) -> Tensor:
        return -values.square()

    found = between(log_likelihood, values)
    assert found.tolist() == pytest.approx([0, -1, -4, -0.25])
    found.sum().backward()
    assert values.grad.tolist() == pytest.approx([-1, -3, 3, -1])


def test_relaxed_rounding_keeps_integers_and_halves() -> None:
    rounding = Relaxed(8.0)
    values = torch.tensor([-1.0, 0.0, 0.5, 2.0, 0.1, 0.9], dtype=torch.float64)
    relaxed = rounding(values)
    assert relaxed[:4].tolist() == pytest.approx([-1.0, 0.0, 0.5, 2.0])
    assert 0 < relaxed[4] < 0.01
    assert 0.99 < relaxed[5] < 1


def two_passes(hyper: Tensor) -> Context:
    return [(yield from checkerboard(hyper, lambda first: hyper + 0.1 * first.repeat(1, 2, 1, 1)))]


def test_residuals_are_shaped_like_y_whatever_the_order() -> None:
    torch.manual_seed(0)
    y, hyper = torch.randn(1, 3, 4, 6), torch.rand(1, 6, 4, 6) + 1
    measure = Estimate(y, Between(GaussianPrior()), quantise=Relaxed(8.0))
    drive(two_passes(hyper), measure)
    assert measure.residual.shape == y.shape

    def one_colour(hyper: Tensor) -> Context:
        return [(yield Params(hyper, hyper, parity=0))]

    measure = Estimate(y, GaussianPrior())
    drive(one_colour(hyper[:, :3]), measure)
    assert (measure.residual != 0).sum() <= y.numel() // 2


def test_a_scan_is_rounded_about_as_it_is_coded() -> None:
    torch.manual_seed(0)
    raster = RasterScan(4).eval().requires_grad_(False)
    raster.predict[-1].bias[:4] = 3
    y, hyper = 5 * torch.randn(1, 4, 6, 8), torch.randn(1, 8, 6, 8)
    prior = GaussianPrior()

    def steps() -> Context:
        return raster.steps(nets_of(torch.nn.ModuleDict({"raster": raster})), hyper)

    coded = drive(steps(), Encode(y, prior, prior.tables(), Interleaved().encoder()))[0]
    errors = [(drive(steps(), partner(y, prior))[0] - coded).abs().mean().item() for partner in (Estimate, Measure)]
    assert errors[1] < 0.7 * errors[0]


def test_curvature_is_the_squared_norm_of_the_jacobians_columns(model: Tiny) -> None:
    generator = torch.Generator().manual_seed(0)
    found = np.mean(
        [curvature(model.synthesise, torch.zeros(1, 6, 8, 8), generator).flatten().numpy() for _ in range(30)], 0
    )
    columns = model.g_s.weight.detach().square().sum((1, 2, 3)).numpy()
    assert found == pytest.approx(columns, rel=0.1)


def test_what_is_expected_has_gradients_for_both(model: Tiny) -> None:
    y, z = (latent.requires_grad_() for latent in start_of(objective_of(model)))
    found = expected(model, y, z, Relaxed(8.0))
    assert found.variance.shape == y.shape
    assert found.variance.min() >= 0
    assert found.variance.max() <= 0.25
    for gradient in torch.autograd.grad(found.bits + found.y_hat.sum(), (y, z)):
        assert (gradient != 0).any()
        assert gradient.isfinite().all()
