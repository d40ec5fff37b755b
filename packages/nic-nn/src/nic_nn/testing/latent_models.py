"""What every model of latents must do, in one class."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_core import native, plugins
from nic_core.coding import Interleaved
from nic_core.pictures.picture import Picture
from nic_core.spec import EFFORT
from nic_core.testing import CodecTests
from nic_core.testing.agreement import ROOM
from nic_core.testing.pictures import smooth
from nic_core.weights import WeightsInfo, is_remote
from nic_latent.integers.executor import only_numpy

from nic_nn.codec import LatentCodec
from nic_nn.entropy.latent import planes
from nic_nn.model import NATS_TO_BITS, LatentModel
from nic_nn.pixels import to_tensor
from nic_nn.testing.sampling import bits_of, drawn
from nic_nn.testing.training import Training
from nic_nn.weights.export import export
from nic_nn.weights.random_weights import filled

RANDOM = "random"
"""What weights are called that the tests make."""


class LatentModelTests(Training, CodecTests, kit=True):
    """`nic_core.testing.CodecTests`, and what models of nic-nn do besides: integers, rates, training, export.

    A codec whose plugin brings weights is tested with these, others with random ones of the recipe's model, which the
    attributes of `Training` make small.
    """

    @classmethod
    def make_weights(cls, folder: Path) -> Path | None:
        """Return random weights of the codec; None where its plugin brings some that need no download."""
        brought = [spec.location for _, spec in plugins.records("nic_weights") if spec.codec == cls.codec_id]
        if any(not is_remote(location) for location in brought):
            return None
        path = folder / "random.safetensors"
        quality = cls.recipe_of(folder).quality_range
        lmbda = None if isinstance(quality, tuple) else 0.01
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("NIC_GRAPHS", raising=False)
            export(cls.random_model(folder), path, WeightsInfo(cls.codec_id, RANDOM, {}, "", "", quality, lmbda))
        return path

    @classmethod
    def random_model(cls, folder: Path) -> LatentModel:
        """Return the model of the recipe with random weights, whose latents are not all zero."""
        torch.manual_seed(0)
        model = filled(cls.fresh_model(folder))
        assert isinstance(model, LatentModel)
        return model

    @classmethod
    def estimated_bits(cls, codec: nic.Codec, picture: Picture) -> float | None:
        """Return the bits that the model measures where it rounds and does not code; None for random weights.

        What these make of pictures lies far out in the tails, where rates have a floor that coding has not.
        """
        opened = by_torch(codec)
        model, info = codec.model, opened.info
        if info.name == RANDOM:
            return None
        options = opened.prepared(picture.pixels, codec.spec.options_for("encode", cls.encode_options))
        x = to_tensor(picture.pixels, model.stride, opened.torch_device, model.picture_channels)
        with torch.inference_mode():
            latents = model.estimate(opened.analyse(x, 50.0 if info.covers_range else None, options))
        return -NATS_TO_BITS * sum(value.double().sum().item() for value in latents.log_likelihoods.values())

    def test_an_effort_finds_latents_that_cost_less(self, codec: nic.Codec) -> None:
        """And they are coded and decoded like others."""
        if EFFORT not in codec.spec.options:
            pytest.skip("the codec has no effort")
        opened, quality = by_torch(codec), 50.0 if isinstance(codec.weights[0].quality, tuple) else None
        pixels = smooth(96, 72, opened.picture_channels).pixels
        options = opened.prepared(pixels, codec.spec.options_for("encode", self.encode_options))
        objective = opened.objective(pixels, quality)

        def cost(effort: int) -> float:
            found = opened.latents(pixels, quality, {**options, "effort": effort})
            return objective.coded(*(planes(latent, opened.torch_device) for latent in found))

        assert cost(1) < cost(0)

    def test_latents_cost_what_is_estimated(self, codec: nic.Codec) -> None:
        """Latents as the model expects them: drawn from its own distributions, group by group, in its order."""
        model = by_torch(codec).loaded
        assert model.integers is not None
        y, z = drawn(model, (2, 3), seed=1)
        bits = bits_of(codec.model, y, z)
        stream, _ = model.integers.encode(y, z, Interleaved())
        assert abs(len(stream) - bits / 8) <= 0.02 * bits / 8 + ROOM, (
            f"the model estimates {bits / 8:.0f} bytes for latents that it drew itself, and they are coded in "
            f"{len(stream)}: do its nets compute in integers what they compute in floats?"
        )

    def test_integers_are_the_same_in_c_and_numpy(self, codec: nic.Codec) -> None:
        """What decides symbols is one thing on all machines, also where values are far out of range."""
        if why := native.why_not():
            pytest.skip(why)
        model = by_torch(codec).loaded
        integers, coder = model.integers, Interleaved()
        assert integers is not None, "the weights have no integers: export writes them"
        random, (y_channels, z_channels) = np.random.default_rng(0), model.channels
        z_size, ratio = (2, 1), model.stride // model.y_stride
        y = random.laplace(0, 4, (1, z_size[0] * ratio, z_size[1] * ratio, y_channels))
        z = random.normal(0, 2, (1, *z_size, z_channels))
        y.flat[:2], z.flat[:2] = (1e5, -1e5), (1e5, -1e5)
        with only_numpy():
            expected = integers.encode(y, z, coder)
        stream, checksum = integers.encode(y, z, coder)
        assert (stream, checksum) == expected, "C and numpy decide other symbols: report it to nic-latent's authors"
        y_hat, found = integers.decode(stream, z_size, y_channels, coder)
        assert found == checksum, "what was coded decodes to other symbols: does the order depend on what it decodes?"
        with only_numpy():
            again, _ = integers.decode(stream, z_size, y_channels, coder)
        assert np.array_equal(y_hat.values, again.values), "numpy decodes another y_hat than C"

    def test_the_config_makes_the_model_again(self, codec: nic.Codec) -> None:
        """It goes through JSON, as it does in a weights file."""
        opened = by_torch(codec)
        config = opened.loaded.config
        record = json.loads(json.dumps(dataclasses.asdict(config)))
        assert opened.build(record).config == config, (
            "the config does not survive JSON, which has no tuples: read it with nic_latent.config.from_json"
        )
        for wrong in ({**record, "no_such_field": 1}, dict.fromkeys(record, "six")):
            try:
                opened.build(wrong)
            except (ValueError, TypeError):
                continue
            pytest.fail(f"a model was built from the config {wrong}: read configs with nic_latent.config.from_json")


def by_torch(codec: nic.Codec) -> LatentCodec:
    """Return the plugin's codec as torch runs it."""
    opened: Any = codec.opened(codec.weights[0], "torch")
    if not isinstance(opened, LatentCodec):
        pytest.fail(f"{type(opened).__name__} is no nic_nn.codec.LatentCodec: use nic_core.testing.CodecTests")
    return opened
