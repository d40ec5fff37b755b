"""Training: all four phases by the real command, what learns in each, and what the files of each share."""

import json

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_core import cli
from nic_core.errors import BadOption, NicError
from nic_core.weights import read_info
from nic_egic.recipe import MSE_WEIGHT, EgicRecipe
from nic_nn.training.batch import Batch
from PIL import Image
from skimage import data as photographs
from skimage.segmentation import slic

CLASSES = 5
SMALL = {"width": 32, "disc_width": 8}
QUICK = {**SMALL, "lpips": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three photographs, and label maps of their regions."""
    folder, labels = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("labels")
    for name in ("astronaut", "coffee", "chelsea"):
        picture = Image.fromarray(getattr(photographs, name)()).resize((160, 128))
        picture.save(folder / f"{name}.png")
        regions = slic(np.asarray(picture), n_segments=3, start_label=1).clip(0, CLASSES - 1)
        regions[0, 0] = CLASSES - 1
        Image.fromarray(regions.astype(np.uint8)).save(labels / f"{name}.png")
    return folder, labels


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(0)
    pixels, labels = (
        torch.rand(4, 3, 64, 64, generator=random),
        torch.randint(0, CLASSES, (4, 64, 64), generator=random),
    )
    return Batch(pixels, torch.arange(4), ("a", "b", "c", "d"), labels=labels)


def train(data, run, *more, steps=6, labels=True):
    folder, maps = data
    arguments = ["train", "egic", "--data", folder, "--val", folder, "--out", run, "--steps", steps, "--val-steps", 3]
    settings = {**SMALL, "crop": 64, "batch": 4, "val_crop": 64}
    arguments += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    arguments += ["--labels", maps] if labels else []
    return cli.run([*map(str, [*arguments, "--workers", 0, "--precision", "fp32", "--no-lpips", *more])])


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run through all phases, and its weights after each phase but the second."""
    run = tmp_path_factory.mktemp("run")
    assert train(data, run, "--keep-steps", 1) == 0
    for step in (2, 4):
        assert cli.run(["train", "--export", str(run), "--step", str(step)]) == 0
    return run


def test_all_phases_take_their_steps(run):
    rows = next(run.glob("metrics/**/metrics.csv")).read_text().splitlines()
    columns = rows[0].split(",")
    assert {"loss", "bpp", "psnr", "val_loss", "adversary_loss", "real", "fake", "labelmix", "realism"} <= set(columns)
    provenance = read_info(run / "weights.safetensors").provenance
    assert provenance["values"]["lpips"] is False and provenance["values"]["classes"] == CLASSES


def test_weights_of_all_phases_read_each_others_files(run, data):
    first, gan, orp = (run / name for name in ("weights-2.safetensors", "weights-4.safetensors", "weights.safetensors"))
    assert len({read_info(path).entropy_id for path in (first, gan, orp)}) == 1
    assert len({read_info(path).synthesis_id for path in (first, gan, orp)}) == 3
    file = nic.load("egic", weights=gan).encode(data[0] / "coffee.png")
    as_gan = np.asarray(nic.load("egic", weights=gan).decode(file))
    assert np.array_equal(np.asarray(nic.load("egic", weights=orp).decode(file)), as_gan)
    assert not np.array_equal(np.asarray(nic.load("egic", weights=orp).decode(file, realism=0)), as_gan)
    with pytest.raises(BadOption, match="realism"):
        nic.load("egic", weights=gan).decode(file, realism=0.5)


def test_the_same_seed_gives_the_same_weights(run, data, tmp_path):
    assert train(data, tmp_path) == 0
    ids = [
        (read_info(path / "weights.safetensors").entropy_id, read_info(path / "weights.safetensors").synthesis_id)
        for path in (run, tmp_path)
    ]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("phase", "learning"),
    [
        ("generator", {"g_a", "g_s.stages", "h_a", "h_s", "entropy_bottleneck", "charm"}),
        ("segmentation", {"adversary"}),
        ("adversarial", {"g_s.stages", "adversary"}),
        ("orp", {"g_s.mse_head"}),
    ],
)
def test_gradients_flow_only_where_the_phase_says(phase, learning, batch):
    recipe = EgicRecipe("egic", **QUICK, classes=CLASSES)
    stage = next(stage for stage in recipe.stages() if stage.name == phase)
    networks = recipe.build()
    recipe = recipe.at(stage)
    recipe.begin(networks)
    trainable = {
        f"{part}.{name}": parameter.requires_grad_(f"{part}.{name}".startswith(stage.trainable))
        for part, module in networks.parts().items()
        for name, parameter in module.named_parameters()
    }
    if "adversary" in learning:
        recipe.adversary_loss(networks, batch)["adversary_loss"].backward()
    if learning != {"adversary"}:
        recipe.loss(networks, batch)["loss"].backward()
    moved = {name for name, parameter in trainable.items() if parameter.grad is not None and parameter.grad.any()}
    found = {name.removeprefix("model.") for name in moved}
    places = {place for place in learning if any(name.startswith(place) for name in found)}
    assert places == learning
    assert all(name.startswith(tuple(learning)) for name in found)


def test_the_loss_is_the_sum_of_its_terms(batch):
    recipe = EgicRecipe("egic", **QUICK, classes=CLASSES, phase="adversarial")
    networks = recipe.build()
    networks.model.eval()
    with torch.no_grad():
        values = recipe.loss(networks, batch)
        output = networks.model(batch.pixels)
        bpp = sum(bits.sum() for bits in output["bits"].values()) / (4 * 64 * 64)
        mse = 255**2 * (output["x_hat"] - batch.pixels).square().mean()
    expected = MSE_WEIGHT * mse + 2 * bpp + 0.15 * values["realism"]
    assert abs(values["loss"] / expected - 1) < 1e-5


def test_labels_are_asked_for_before_the_first_step(data, tmp_path, capsys):
    assert train(data, tmp_path, labels=False) == 1
    assert "the recipe needs label maps: give" in capsys.readouterr().err


def test_the_first_phase_alone_needs_no_labels(data, tmp_path):
    recipe = tmp_path / "first.toml"
    recipe.write_text('[[stages]]\nname = "generator"\nsteps = 1\nphase = "generator"\n')
    assert train(data, tmp_path / "run", "--recipe", recipe, labels=False) == 0


def test_another_number_of_classes_is_refused(data, tmp_path, capsys):
    assert train(data, tmp_path, "--set", "classes=3") == 1
    assert "classes" in capsys.readouterr().err


def test_without_its_network_lpips_must_be_left_out(batch):
    recipe = EgicRecipe("egic", **SMALL, lpips_path="missing.pth")
    with pytest.raises(
        NicError, match=r"cannot get the AlexNet of LPIPS from missing.pth.*; --no-lpips trains without"
    ):
        recipe.loss(recipe.build(), batch)


def test_defaults_are_the_authors():
    recipe = EgicRecipe("egic")
    assert [stage.steps // 10_000 for stage in recipe.stages()] == [200, 100, 100, 200]
    assert (recipe.batch, recipe.crop, recipe.lmbda, recipe.k_adversary, recipe.k_labelmix) == (
        16,
        256,
        2.0,
        0.15,
        10.0,
    )
    with pytest.raises(BadOption, match="even"):
        EgicRecipe("egic", batch=3)
    assert json.dumps(recipe.scale) == "[0.5, 1.5]"


def test_pictures_and_steps_are_as_in_the_authors_configuration():
    recipe = EgicRecipe("egic")
    assert (recipe.long_side, recipe.scale, recipe.scale_step, recipe.pad) == (640, (0.5, 1.5), 0.1, True)
    assert recipe.autoaugment == "simple_classification_policy_magnitude_scale_0.2"
    assert recipe.mirror  # deeplab2 mirrors, whatever the configuration says
    assert (recipe.clip, recipe.eps) == (0, 1e-7)
    networks = EgicRecipe("egic", **QUICK, classes=CLASSES).build()
    made = EgicRecipe("egic", **QUICK, classes=CLASSES).optimizers(networks)
    assert {optimizer.defaults["eps"] for optimizer in made.all()} == {1e-7}


def test_the_first_phase_learns_from_half_of_the_batch(batch):
    for halved, wanted in ((True, batch[2:]), (False, batch)):
        recipe = EgicRecipe("egic", **QUICK, halved=halved)
        networks = recipe.build()
        seen = []
        networks.model.g_a.register_forward_pre_hook(lambda module, inputs, seen=seen: seen.append(inputs[0]))
        recipe.loss(networks, batch)
        assert torch.equal(seen[0], wanted.pixels)
        networks.model.eval()
        recipe.loss(networks, batch)
        assert torch.equal(seen[1], batch.pixels)


def test_support_is_a_size_that_can_be_trained(data, tmp_path):
    """As in checkpoints of the authors' default, --max_support_slices 5."""
    recipe = tmp_path / "first.toml"
    recipe.write_text('[model]\nsupport = 5\n[[stages]]\nname = "generator"\nsteps = 1\nphase = "generator"\n')
    assert train(data, tmp_path / "run", "--recipe", recipe, labels=False) == 0
    weights = tmp_path / "run" / "weights.safetensors"
    assert read_info(weights).config["support"] == 5
    again = ["--recipe", recipe, "--init", weights]
    assert train(data, tmp_path / "again", *again, labels=False) == 0
    assert train(data, tmp_path / "other", *again, "--set", "model.support=10", labels=False) == 1


def test_tfrecords_of_deeplab2_are_trained_on(data, tmp_path):
    """Their labels have COCO's classes, of which nobody needs to say the number."""
    writer = pytest.importorskip("tfrecord.writer").TFRecordWriter(str(tmp_path / "train-00000-of-00001.tfrecord"))
    for path in sorted(data[0].iterdir()):
        width, height = Image.open(path).size
        label = 256 * (1 + np.arange(height * width, dtype="<i4") // width % 133) + 1
        writer.write(
            {
                "image/encoded": (path.read_bytes(), "byte"),
                "image/filename": (path.stem.encode(), "byte"),
                "image/height": (height, "int"),
                "image/width": (width, "int"),
                "image/segmentation/class/encoded": (label.tobytes(), "byte"),
                "image/segmentation/class/format": (b"raw", "byte"),
            }
        )
    writer.close()
    recipe = tmp_path / "segmentation.toml"
    recipe.write_text(
        '[[stages]]\nname = "segmentation"\nsteps = 1\nphase = "segmentation"\ntrainable = ["adversary"]\n'
    )
    arguments = ["train", "egic", "--data", tmp_path / "train-00000-of-00001.tfrecord", "--out", tmp_path / "run"]
    settings = ["--set", "width=32", "--set", "disc_width=8", "--set", "crop=64", "--set", "batch=2", "--no-lpips"]
    assert cli.run([*map(str, [*arguments, "--recipe", recipe, "--workers", 0, *settings])]) == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["request"]["choice"]["values"]["classes"] == 134
