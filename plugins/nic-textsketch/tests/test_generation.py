"""Generation, with a tiny Stable Diffusion and ControlNet of random weights, on disk as real ones are."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_diffusion
import torch
from huggingface_hub import constants
from nic_core import progress
from nic_core.errors import BadOption, BadWeights, NicError, OutOfMemory
from nic_textsketch.config import GeneratorConfig, Source
from nic_textsketch.generation import Generator, Running, noise
from PIL import Image, ImageDraw

CPU = torch.device("cpu")
SIZE = (128, 64)


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny_diffusion")
    base = Source(str(tiny_diffusion.write_base(folder / "base")))
    controlnet = Source(str(tiny_diffusion.write_controlnet(folder / "controlnet")))
    return GeneratorConfig(base, {"canny": controlnet, "hed": controlnet}, steps=4)


@pytest.fixture(scope="session")
def by_prompt(config):
    return Generator(config, None, CPU)


@pytest.fixture(scope="session")
def by_sketch(config):
    return Generator(replace(config, scheduler="UniPCMultistepScheduler"), "hed", CPU)


@pytest.fixture(scope="session")
def sketch():
    image = Image.new("L", SIZE)
    ImageDraw.Draw(image).line([(5, 50), (60, 8), (120, 40)], fill=255, width=4)
    return image


def pixels(generator, candidates=(0,), prompt="a red boat", seed=7, batch=1, sketch=None):
    return np.stack(
        [np.asarray(image, int) for image in generator.pictures(prompt, seed, candidates, SIZE, sketch, batch)]
    )


def differ(one, other):
    """Tell whether pictures differ by much more than rounding."""
    return np.abs(one - other).mean() > 0.3


def test_the_noise_of_a_candidate_is_what_files_expect():
    drawn, _ = noise(0, 0, (1, 4, 8, 8))
    assert drawn.dtype == torch.float32
    np.testing.assert_allclose(drawn.flatten()[:4], [1.7468950, 0.3766501, 0.9356276, -0.5423473], atol=1e-6)
    np.testing.assert_allclose(drawn.flatten()[-2:], [0.9273224, -1.9795088], atol=1e-6)
    last, _ = noise(2**32 - 1, 255, (1, 4, 8, 8))
    np.testing.assert_allclose(last.flatten()[:2], [-0.9050115, -1.0967449], atol=1e-6)


def test_noise_differs_between_seeds_and_candidates_that_look_alike():
    drawn = [noise(*pair, (1, 4, 8, 8))[0] for pair in ((1, 11), (11, 1), (111, 0), (0, 111), (2**32 - 1, 255))]
    for number, one in enumerate(drawn):
        for other in drawn[:number]:
            assert (one - other).abs().mean() > 0.5


def test_a_candidate_alone_is_the_candidate_among_others(by_prompt):
    all_of_them = pixels(by_prompt, (0, 1, 2, 3))
    assert all_of_them.shape == (4, SIZE[1], SIZE[0], 3)
    assert differ(all_of_them[2], all_of_them[3])
    np.testing.assert_array_equal(pixels(by_prompt, (2,))[0], all_of_them[2])
    np.testing.assert_array_equal(pixels(by_prompt, (3, 1)), all_of_them[[3, 1]])


def test_a_batch_rounds_differently_only(by_sketch, sketch):
    alone = pixels(by_sketch, (0, 1, 2, 3), sketch=sketch)
    assert np.abs(pixels(by_sketch, (0, 1, 2, 3), batch=3, sketch=sketch) - alone).max() <= 1


def test_a_fresh_generator_makes_the_same_picture(config, by_prompt):
    np.testing.assert_array_equal(pixels(Generator(config, None, CPU)), pixels(by_prompt))


def test_prompt_seed_and_sketch_matter(by_prompt, by_sketch, sketch):
    first = pixels(by_prompt)
    assert differ(first, pixels(by_prompt, prompt="two cats asleep on a green chair"))
    assert differ(first, pixels(by_prompt, seed=8))
    drawn = pixels(by_sketch, sketch=sketch)
    assert differ(drawn, pixels(by_sketch, sketch=Image.new("L", SIZE)))


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 6},
        {"guidance": 3.0},
        {"guidance": 1},
        {"suffix": ", low quality, a drawing"},
        {"negative": "boats"},
        {"scheduler": "UniPCMultistepScheduler"},
    ],
    ids=str,
)
def test_the_whole_config_counts(config, by_prompt, change):
    assert differ(pixels(Generator(replace(config, **change), None, CPU)), pixels(by_prompt))


def test_noise_of_the_steps_is_a_candidates_own_too(config):
    generator = Generator(replace(config, scheduler="EulerAncestralDiscreteScheduler"), None, CPU)
    torch.manual_seed(1)
    both = pixels(generator, (4, 5), batch=2)
    torch.manual_seed(2)
    assert np.abs(pixels(generator, (5,))[0] - both[1]).max() <= 1
    assert differ(both[0], both[1])


def test_slices_and_other_precisions_give_nearly_the_same(config, by_prompt):
    first = pixels(by_prompt)
    assert np.abs(pixels(Generator(config, None, CPU, Running(slicing=True))) - first).max() <= 1
    rounded = pixels(Generator(config, None, CPU, Running(precision="bfloat16")))
    assert 0 < np.abs(rounded - first).mean() < 10


def test_progress_counts_the_steps_of_all_candidates(by_prompt):
    seen = []
    listener = progress.Listener(step=lambda *step: seen.append(step), note=lambda fact: None)
    with progress.listening(listener):
        pixels(by_prompt, (0, 1, 2), batch=2)
    assert seen == [("generating", done, 12) for done in (0, 2, 4, 6, 8, 9, 10, 11, 12)]


def test_settings_of_torch_are_restored_and_nothing_is_printed(config, by_prompt, capfd, recwarn):
    cudnn = torch.backends.cudnn
    torch.backends.cudnn.benchmark = True
    try:
        for _ in by_prompt.pictures("a red boat", 7, (0, 1), SIZE):
            assert not torch.are_deterministic_algorithms_enabled()
            assert torch.is_grad_enabled() and cudnn.benchmark and not cudnn.deterministic
    finally:
        cudnn.benchmark = False
    pixels(Generator(config, "hed", CPU), sketch=Image.new("L", SIZE))
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.parametrize(("fitting", "batches"), [(2, [4, 2, 2, 1]), (1, [4, 2, 1, 1, 1, 1, 1])])
def test_what_memory_lacks_for_is_made_in_smaller_batches(config, monkeypatch, fitting, batches):
    generator, tried = Generator(config, None, CPU), []
    limit_memory(generator, monkeypatch, fitting, tried)
    expected = [f"{number}" for number in range(5)]
    pictures = list(generator.pictures("a boat", 0, range(5), SIZE, batch=4))
    assert (pictures, tried) == (expected, batches)


def test_less_memory_than_for_one_is_said(config, monkeypatch):
    generator = Generator(config, None, CPU)
    limit_memory(generator, monkeypatch, 0, [])
    with pytest.raises(OutOfMemory, match="128 x 64"):
        list(generator.pictures("a boat", 0, (0, 1), SIZE, batch=2))


def limit_memory(generator, monkeypatch, fitting, tried):
    """Have batches above a size fail, and note which are tried."""

    def batch(call, seed, candidates, *others):
        tried.append(len(candidates))
        if len(candidates) > fitting:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [f"{candidate}" for candidate in candidates]

    monkeypatch.setattr(generator, "_batch", batch)


def test_a_prompt_fits_with_the_suffix(config):
    generator = Generator(config, None, CPU)
    generator.fits("cat " * 72)  # and three of the suffix, and two marks
    with pytest.raises(BadOption, match="the prompt has 73 tokens, and with ', high quality' at its end 72 fit"):
        generator.fits("cat " * 73)
    assert "_pipe" not in vars(generator)


def test_the_tokenizer_is_clips(config):
    ids = Generator(config, None, CPU)._tokenizer("A boat's 3 sails, über", add_special_tokens=False).input_ids
    assert ids == tiny_diffusion.open_clip_tokenizer().encode("A boat's 3 sails, über")


def test_weights_of_a_variant_are_those_loaded(config, by_prompt, tmp_path):
    base = Source(str(tiny_diffusion.write_base(tmp_path / "base", variant="fp16")), variant="fp16")
    np.testing.assert_array_equal(pixels(Generator(replace(config, base=base), None, CPU)), pixels(by_prompt))
    with pytest.raises(NicError, match=r"it has no .*fp16\.safetensors"):
        Generator(replace(config, base=replace(config.base, variant="fp16")), None, CPU).obtain()


def test_an_annotator_without_a_controlnet_names_the_others(config):
    with pytest.raises(BadOption, match="no ControlNet for sketches by mlsd; those it has: canny, hed"):
        Generator(config, "mlsd", CPU)


def test_offload_needs_an_accelerator(config):
    with pytest.raises(BadOption, match="leave it out on the CPU"):
        Generator(config, None, CPU, Running(offload=True))


def test_an_unknown_scheduler_is_named_before_anything_is_loaded(config):
    for name in ("NoSuchScheduler", "UNet2DConditionModel", "utils"):
        with pytest.raises(BadWeights, match=f"scheduler '{name}', which diffusers"):
            Generator(replace(config, scheduler=name), None, CPU).obtain()


@pytest.mark.parametrize("part", ["base", "controlnet"])
def test_what_is_missing_is_known_before_anything_is_loaded(config, part, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    nobody = Source("nobody/nothing", gigabytes=1.5)
    change = {"base": nobody} if part == "base" else {"controlnets": {"hed": nobody}}
    generator = Generator(replace(config, **change), "hed", CPU)
    with pytest.raises(NicError, match=r"cannot get nobody/nothing: .*\(1.5 GB\) by `hf download") as caught:
        generator.obtain()
    assert "\n" not in str(caught.value)


def test_a_controlnet_for_another_base_is_named(config, tmp_path):
    other = Source(str(tiny_diffusion.write_controlnet(tmp_path / "other", text_width=48)))
    generator = Generator(replace(config, controlnets={"hed": other}), "hed", CPU)
    with pytest.raises(BadWeights, match=r"for another base than .* are \(48, 32, 64\), the base's \(32, 32, 64\)"):
        pixels(generator, sketch=Image.new("L", SIZE))


def test_damaged_files_are_one_line(config, tmp_path):
    base = tiny_diffusion.write_base(tmp_path / "base")
    (base / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(NicError, match=r"cannot get .*base.* replace them") as caught:
        pixels(Generator(replace(config, base=Source(str(base))), None, CPU))
    assert "\n" not in str(caught.value)
