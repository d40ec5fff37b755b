"""Whole files of the codecs that generate, by tiny models on disk instead of the large ones; pictures mean nothing."""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import nic_core as nic
import numpy as np
import pytest
import tiny_diffusion
import tiny_open_clip
import tiny_segmentation
from nic_core import cli, progress
from nic_core.errors import BadOption, BadPicture, DamagedFile, NicError, OutOfTime, WeightsNotFound
from nic_core.format.container import File, Header, pack, unpack
from nic_core.format.tiling import Tiling
from nic_core.host.cache import cache
from nic_core.progress import Listener
from nic_core.weights import fingerprints, read_info
from nic_textsketch import sketched
from nic_textsketch.message import Message, Sketching
from nic_textsketch.sketches.ade20k import labels_of
from PIL import Image
from safetensors.numpy import load_file, save_file

PIC, PICS = "textsketch-pic", "textsketch-pics"
PROMPT = "a red barn, 16 tokens or fewer"
SKETCHING = {"analysing the picture", "coding latents", "decoding latents", "synthesising the picture"}
"""Steps of the codec that codes the sketch."""


def of_models(heard):
    """Return what was heard beside the steps of the sketch's own codec."""
    return [said for said in heard if not isinstance(said, tuple) or said[0] not in SKETCHING]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of local models: tiny/base, tiny/control and tiny/clip."""
    folder = tmp_path_factory.mktemp("models")
    tiny_diffusion.write_base(folder / "tiny" / "base")
    tiny_diffusion.write_controlnet(folder / "tiny" / "control")
    tiny_open_clip.write(folder / "tiny" / "clip")
    return folder


@pytest.fixture(scope="module")
def generators(models):
    """Weights files of the configs with these models, by codec."""
    found = {}
    for codec, more in ((PIC, {}), (PICS, {"controlnets": {"canny": "tiny/control", "hed": "tiny/control"}})):
        (models / f"{codec}.json").write_text(json.dumps({"base": "tiny/base", "steps": 2, "size": 64, **more}))
        found[codec] = models / f"{codec}.safetensors"
        assert cli.run(["weights", "import", codec, str(models / f"{codec}.json"), "-o", str(found[codec])]) == 0
    return found


@pytest.fixture(autouse=True)
def surroundings(models, weights, tmp_path, monkeypatch):
    """Nothing is downloaded, and a user's folders are not touched; the store has a sketch model."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("NIC_MODELS", str(models))
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cli.run(["weights", "add", str(weights)]) == 0


@pytest.fixture(scope="module")
def photo():
    """A picture that is no photograph: 100 x 80, with edges."""
    y, x = np.mgrid[:80, :100]
    circle = (x - 40) ** 2 + (y - 40) ** 2 < 900
    return np.stack([np.where(circle, 220, x), np.where(circle, 40, y * 2), 128 + 0 * x], -1).astype(np.uint8)


def options(codec, **more):
    """Return options of encoding with the tiny models."""
    return {"clip": "tiny/clip", "batch": 1, **({"annotator": "canny"} if codec == PICS else {}), **more}


@pytest.mark.parametrize("codec", [PIC, PICS])
def test_a_fresh_process_decodes_the_same_picture(codec, generators, models, photo, tmp_path, capsys):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    (tmp_path / "c.json").write_text(json.dumps({"photo.png": PROMPT}))
    chosen = ["--codec", codec, "--weights", generators[codec], "--device", "cpu", "--models", models]
    sketching = ["--annotator", "canny"] if codec == PICS else []
    arguments = ["encode", tmp_path / "photo.png", *chosen, *sketching, "--captions", tmp_path / "c.json"]
    capsys.readouterr()
    assert cli.run([*map(str, [*arguments, "--clip", "tiny/clip", "--candidates", 3, "-o", tmp_path / "p.nic"])]) == 0
    says = capsys.readouterr().err
    assert says.startswith("photo.png: candidate ")
    assert "of 3: CLIP similarity 0." in says
    assert says.endswith("prompt: a red barn , 1 6 tokens or fewer\n")

    data = (tmp_path / "p.nic").read_bytes()
    here = nic.load(codec, generators[codec], "cpu").decode_picture(data)
    assert here.pixels.shape == photo.shape
    environment = {**os.environ, "NIC_MODELS": ""}
    command = [sys.executable, "-m", "nic_core", "decode", tmp_path / "p.nic", "-o", tmp_path / "out.png"]
    command += ["--weights", generators[codec], "--device", "cpu", "--models", models, "--dump", tmp_path / "parts"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), here.pixels)

    parts = {path.name: path for path in (tmp_path / "parts").iterdir()}
    assert parts["out.prompt.txt"].read_text() == "a red barn , 1 6 tokens or fewer\n"
    assert parts["out.index.txt"].read_text().endswith("of 3, seed 0\n")
    if codec == PIC:
        assert sorted(parts) == ["out.index.txt", "out.prompt.txt", "out.rates.csv"]
        assert len(data) < 75
    else:
        every = ["out.index.txt", "out.prompt.txt", "out.rates.csv", "out.sketch.nic", "out.sketch.png"]
        assert sorted(parts) == every
        sketch = nic.decode(parts["out.sketch.nic"].read_bytes(), device="cpu")
        np.testing.assert_array_equal(np.asarray(sketch), np.asarray(Image.open(parts["out.sketch.png"])))
        assert (sketch.mode, sketch.size) == ("L", (64, 64))


@pytest.fixture(scope="module")
def coloured(models):
    """Weights of a generator whose ControlNets are for colours; segmentation and its model are in it too."""
    config = {"base": "tiny/base", "steps": 1, "size": 64}
    config["controlnets"] = dict.fromkeys(("canny", "normal_bae", "segmentation"), "tiny/control")
    (models / "coloured.json").write_text(json.dumps(config))
    path = models / "coloured.safetensors"
    assert cli.run(["weights", "import", PICS, str(models / "coloured.json"), "-o", str(path)]) == 0
    tiny_segmentation.write_segformer(models / "tiny" / "segformer")
    return path


def test_classes_are_coded_as_labels(coloured, models, photo):
    codec, heard = nic.load(PICS, coloured, "cpu"), []
    chosen = options(PICS, annotator="segmentation", text="noise", candidates=1, select="mse")
    with progress.keeping() as kept, progress.listening(Listener(lambda *step: None, heard.append)):
        data = codec.encode(photo, annotator_weights=models / "tiny" / "segformer", **chosen)
    assert not [fact for fact in heard if "colours" in fact]
    file = unpack(data)
    sketching = Message.unpack(file.header.params, sketched=True).sketching
    assert (sketching.coding, sketching.annotator, file.header.coder) == ("labels", 2, "webp")
    parts = codec.parts(data)
    drawn, coded = (Image.open(io.BytesIO(found)) for found in (kept[".drawn.png"], parts[".sketch.png"]))
    assert (drawn.size, drawn.mode, coded.size, coded.mode) == ((64, 64), "RGB", (64, 64), "RGB")
    agree = (labels_of(np.asarray(drawn)) == labels_of(np.asarray(coded))).mean()
    assert agree > 0.8
    assert ".sketch.nic" not in parts
    picture = codec.decode_picture(data).pixels
    np.testing.assert_array_equal(picture, codec.decode_picture(data).pixels)
    for damaged in (file.units[0][:-1], b""):
        with pytest.raises(DamagedFile, match="segmentation map cannot be read"):
            codec.decode(pack(File(file.header, (damaged,))))
    with pytest.raises(DamagedFile, match="is not the one that was coded"):
        codec.decode(pack(File(replace(file.header, checksum=file.header.checksum ^ 1), file.units)))


@pytest.fixture
def normals(monkeypatch):
    """Stand for a detector of normals."""
    drawn = Image.fromarray(np.stack(np.broadcast_arrays(*np.ogrid[40:168:2, 80:208:2], 200), -1).astype(np.uint8))
    monkeypatch.setattr("nic_textsketch.sketches.annotators.detector_class", lambda *named: None)
    monkeypatch.setattr("nic_textsketch.sketches.annotators._with_weights", lambda *named: None)
    monkeypatch.setattr("nic_textsketch.sketches.annotators.detect", lambda *named: lambda photograph: drawn)
    sketched._annotator.cache_clear()
    yield drawn
    sketched._annotator.cache_clear()


def test_colours_go_through_a_codec_that_has_them(coloured, normals, photo):
    pytest.importorskip("nic_mini")
    codec, heard = nic.load(PICS, coloured, "cpu"), []
    chosen = options(PICS, annotator="normal_bae", text="noise", candidates=1, select="mse")
    data = codec.encode(photo, sketch_codec="mini:quality=80", **chosen)
    file = unpack(data)
    assert Message.unpack(file.header.params, sketched=True).sketching == Sketching(1, coding="file")
    parts = codec.parts(data)
    assert parts[".sketch.nic"] == file.units[0]
    inner = nic.inspect(file.units[0])
    assert (inner.codec, inner.quality) == ("mini", 80)
    coded = np.asarray(Image.open(io.BytesIO(parts[".sketch.png"])), int)
    assert np.abs(coded - np.asarray(normals, int)).mean() < 4
    assert codec.decode(data).size == (100, 80)
    with progress.listening(Listener(lambda *step: None, heard.append)):
        gray = codec.encode(photo, **chosen)
    assert heard[0] == "textsketch-ntc keeps no colours of the sketch; --sketch-codec names one that does, mini say"
    assert Image.open(io.BytesIO(codec.parts(gray)[".sketch.png"])).mode == "L"


def test_a_sketch_of_another_size_or_in_itself_is_refused(coloured, normals, photo):
    pytest.importorskip("nic_mini")
    codec = nic.load(PICS, coloured, "cpu")
    chosen = options(PICS, annotator="normal_bae", text="noise", candidates=1, select="mse")
    file = unpack(codec.encode(photo, sketch_codec="mini", **chosen))
    small = nic.load("mini", device="cpu").encode(photo[:50, :50])
    for unit, says in ((small, "sketch is 50 x 50, where 64 x 64 belong"), (b"no file", "no .nic file")):
        with pytest.raises(DamagedFile, match=says):
            codec.decode(pack(File(file.header, (unit,))))
    own = pack(File(replace(file.header, width=64, height=64), file.units))
    with pytest.raises(DamagedFile, match=f"claims that {PICS} codes its sketch"):
        codec.decode(pack(File(file.header, (own,))))


def test_an_encoder_dumps_what_it_has(generators, models, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    chosen = ["--codec", PICS, "--weights", generators[PICS], "--device", "cpu", "--annotator", "canny"]
    made = ["--text", PROMPT, "--candidates", 1, "--select", "mse", "--dump", tmp_path / "parts"]
    arguments = ["encode", tmp_path / "photo.png", "-o", tmp_path / "p.nic", *chosen, *made]
    assert cli.run([*map(str, arguments)]) == 0
    parts = {path.name.removeprefix("p"): path for path in (tmp_path / "parts").iterdir()}
    assert {".original.png", ".drawn.png", ".sketch.png", ".sketch.nic", ".prompt.txt", ".rates.csv"} < set(parts)
    with Image.open(parts[".original.png"]) as original, Image.open(parts[".drawn.png"]) as drawn:
        assert (original.size, original.mode, drawn.size, drawn.mode) == ((64, 64), "RGB", (64, 64), "L")
        small = Image.fromarray(photo).resize((64, 64), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(np.asarray(original), np.asarray(small))
        assert set(np.unique(drawn)) == {0, 255}
    head, *lines = parts[".rates.csv"].read_text().splitlines()
    rows = {line.split(",")[0]: [float(value) for value in line.split(",")[1:]] for line in lines}
    size = (tmp_path / "p.nic").stat().st_size
    assert head == "part,bytes,bpp"
    assert list(rows) == ["prompt", "sketch", "rest", "total"]
    assert rows["total"][0] == size == sum(rows[part][0] for part in ("prompt", "sketch", "rest"))
    assert rows["total"][1] == pytest.approx(8 * size / 8000, abs=1e-6)
    assert rows["sketch"][0] == len(unpack((tmp_path / "p.nic").read_bytes()).units[0])


def test_a_text_takes_the_pictures_place(generators, photo):
    codec = nic.load(PIC, generators[PIC], "cpu")
    chosen = options(PIC, iterations=5, tokens=3, candidates=1, select="mse")

    def prompt(picture, **more):
        return Message.unpack(nic.inspect(codec.encode(picture, **chosen, **more)).params, sketched=False).ids

    found = prompt(photo, target_text="a red barn in a field of wheat")
    assert len(found) == 3
    assert found == prompt(photo[::-1], target_text="a red barn in a field of wheat")
    assert found != prompt(photo, target_text="two cats")
    with pytest.raises(BadOption, match="give --text, which is the prompt, or --target-text"):
        prompt(photo, text="a", target_text="b")
    assert prompt(photo) != prompt(photo, lr=0.5, weight_decay=0.0, prompt_bs=2)


def test_the_chosen_candidate_is_what_is_decoded(generators, photo):
    """By MSE: no other seed's or candidate's picture is nearer, and decoding makes only the one."""
    codec = nic.load(PIC, generators[PIC], "cpu")
    data = codec.encode(photo, **options(PIC, text=PROMPT, candidates=5, select="mse", seed=7))
    message = Message.unpack(nic.inspect(data).params, sketched=False)
    assert (message.candidates, message.seed) == (5, 7)
    small = np.asarray(Image.fromarray(photo).resize((64, 64), Image.Resampling.LANCZOS), float)
    errors = []
    for chosen in range(5):
        head = nic.inspect(data)
        other = Message(message.ids, 7, 5, chosen)
        params = {**vars(head), "width": 64, "height": 64, "params": other.pack()}
        picture = np.asarray(codec.decode(pack(File(Header(**params), (b"",)))), float)
        errors.append(float(((picture - small) ** 2).mean()))
    assert message.chosen == int(np.argmin(errors))
    assert data != codec.encode(photo, **options(PIC, text=PROMPT, candidates=5, select="mse", seed=8))


def test_inversion_makes_the_prompt_and_is_not_repeated(generators, photo, tmp_path):
    codec = nic.load(PIC, generators[PIC], "cpu")
    heard = []

    def encode(**more):
        heard.clear()
        with progress.listening(Listener(lambda *step: heard.append(step), lambda fact: None)):
            return codec.encode(photo, **options(PIC, iterations=5, candidates=1, **more))

    data = encode()
    assert ("inverting the prompt", 5, 5) in heard
    assert ("generating", 2, 2) in heard
    message = Message.unpack(nic.inspect(data).params, sketched=False)
    assert len(message.ids) == 16
    assert len(data) <= 75
    assert encode() == data
    assert not [step for step in heard if step[0] == "inverting the prompt" and step[1] < 5]
    assert len(list((tmp_path / "cache" / "nic" / "prompts").iterdir())) == 1
    assert len(Message.unpack(nic.inspect(encode(tokens=3)).params, sketched=False).ids) == 3


@pytest.mark.parametrize("codec", [PIC, PICS])
def test_damaged_files_are_refused(codec, generators, photo):
    loaded, heard = nic.load(codec, generators[codec], "cpu"), []
    file = unpack(loaded.encode(photo, **options(codec, text="noise", candidates=1, select="mse")))
    for changes in ({"params": b"\0"}, {"params": file.header.params + bytes(300)}, {"checksum": 1}):
        damaged = pack(File(Header(**{**vars(file.header), **changes}), file.units))
        with pytest.raises(DamagedFile):
            loaded.decode(damaged)
        with pytest.raises(DamagedFile):
            loaded.parts(damaged)
    for units, tiling in (((*file.units, b""), Tiling(*photo.shape[1::-1], 2)), ((file.units[0] + b"more",), None)):
        damaged = pack(File(Header(**{**vars(file.header), "tiling": tiling}), units))
        with progress.listening(Listener(lambda *step: heard.append(step), heard.append)), pytest.raises(DamagedFile):
            loaded.decode(damaged)
        with pytest.raises(DamagedFile):
            loaded.parts(damaged)
    assert not of_models(heard)
    with pytest.raises(OutOfTime):
        loaded.decode(pack(file), max_seconds=1e-9)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"text": ""}, BadOption, "no words"),
        ({"text": " \n"}, BadOption, "no words"),
        ({"text": "word " * 76}, BadOption, "shorten it"),
        ({"text": "word " * 74}, BadOption, "has 74 tokens, and with ', high quality' at its end 72 fit"),
        ({"tokens": 74, "text": None}, BadOption, "with ', high quality' a prompt has at most 72 tokens"),
        ({"annotator": "pencil"}, BadOption, "no ControlNet for sketches by pencil; those it has"),
        ({"annotator": "depth"}, BadOption, "no ControlNet for sketches by depth; those it has: canny, hed"),
        ({"text": None, "target_text": "word " * 76}, BadOption, "shorten it"),
        ({"hands": True}, BadOption, "--hands is for the annotator openpose, not for canny"),
        ({"sketch_codec": "labels"}, BadOption, "labels code what the annotator segmentation draws"),
        ({"sketch_codec": "textsketch-pic"}, BadOption, "textsketch-pic codes no sketches"),
        ({"sketch_codec": "textsketch-ntc:colour=1"}, BadOption, "textsketch-ntc has no encode option 'colour'"),
        ({"sketch_codec": "crayon"}, NicError, "crayon"),
        ({"annotator_weights": "x"}, NicError, "canny has no weights"),
        ({"candidates": 257}, BadOption, "1 to 256"),
        ({"clip": "tiny/absent", "select": "clip"}, NicError, "hf download tiny/absent"),
        ({"sketch_weights": "absent.safetensors"}, WeightsNotFound, "neither a file nor known weights"),
        ({"models": "absent"}, NicError, "no folder absent of local models"),
        ({"clip": __file__, "select": "clip"}, NicError, "is a file; a model is a folder"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(changes, error, says, generators, photo):
    codec = nic.load(PICS, generators[PICS], "cpu")
    heard = []
    with progress.listening(Listener(lambda *step: heard.append(step), heard.append)), pytest.raises(error) as caught:
        codec.encode(photo, **options(PICS, **{"text": "noise", "select": "mse", **changes}))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not of_models(heard)


@pytest.mark.parametrize(("shape", "says"), [((63, 90, 3), "at least 64 pixels"), ((64, 300, 3), "4 times as long")])
def test_pictures_of_other_shapes_are_refused(shape, says, generators):
    with pytest.raises(BadPicture, match=says):
        nic.load(PIC, generators[PIC], "cpu").encode(np.zeros(shape, np.uint8), text="noise")


def test_what_a_file_needs_is_named_where_it_is_not_there(generators, weights, photo, models, tmp_path, monkeypatch):
    data = {}
    for codec in (PIC, PICS):
        made = nic.load(codec, generators[codec], "cpu")
        data[codec] = made.encode(photo, **options(codec, text="noise", candidates=1, select="mse"))
        with pytest.raises(WeightsNotFound, match=f"{nic.inspect(data[codec]).entropy_id}, which are not installed"):
            nic.load(codec, device="cpu").decode(data[codec])  # only the default generator is there
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "empty"))
    with pytest.raises(WeightsNotFound, match=r"needs the textsketch-ntc weights .* name it with --sketch-weights"):
        nic.load(PICS, generators[PICS], "cpu").decode(data[PICS])
    assert nic.load(PICS, generators[PICS], "cpu").decode(data[PICS], sketch_weights=str(weights)).size == (100, 80)
    monkeypatch.delenv("NIC_MODELS")
    cache.clear()  # the generator is there no more for those who have not opened it
    with pytest.raises(NicError, match="hf download tiny/base"):
        nic.load(PIC, generators[PIC], "cpu").decode(data[PIC])
    assert nic.load(PIC, generators[PIC], "cpu").decode(data[PIC], models=str(models)).size == (100, 80)


def test_another_sketch_model_does_not_decode(generators, weights, photo, tmp_path):
    """As in the store of someone else."""
    loaded = nic.load(PICS, generators[PICS], "cpu")
    data = loaded.encode(photo, **options(PICS, text="noise", candidates=1, select="mse"))
    other = tmp_path / "other.safetensors"
    tensors = load_file(weights)
    tensors["integers.h_s.0.bias"] += 1
    save_file(tensors, other, read_info(weights).to_metadata())
    entropy, synthesis = fingerprints(other, read_info(other))
    save_file(tensors, other, replace(read_info(other), entropy_id=entropy, synthesis_id=synthesis).to_metadata())
    with pytest.raises(WeightsNotFound, match=rf"not installed \(there: {entropy}\)"):
        loaded.decode(data, sketch_weights=other)


def test_a_damaged_model_is_found_before_the_search_for_a_prompt(generators, models, photo, tmp_path):
    shutil.copytree(models / "tiny", tmp_path / "models" / "tiny")
    unet = tmp_path / "models" / "tiny" / "base" / "unet" / "diffusion_pytorch_model.safetensors"
    unet.write_bytes(unet.read_bytes()[:1000])
    codec, heard = nic.load(PIC, generators[PIC], "cpu"), []
    with (
        progress.listening(Listener(lambda *step: heard.append(step), heard.append)),
        pytest.raises(NicError) as caught,
    ):
        codec.encode(photo, **options(PIC, models=tmp_path / "models"))
    assert "cannot get tiny/base from" in str(caught.value)
    assert "damaged" in str(caught.value)
    assert not of_models(heard)


@pytest.mark.parametrize("codec", [PIC, PICS])
def test_pictures_are_seen_upright(codec, generators, photo, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    lying = tmp_path / "lying.png"
    Image.fromarray(np.rot90(photo)).save(lying, exif=exif)
    loaded = nic.load(codec, generators[codec], "cpu")
    chosen = options(codec, text="noise", candidates=1, select="mse")
    assert loaded.encode(lying, **chosen) == loaded.encode(photo, **chosen)


def test_added_configs_do_not_become_the_default(generators):
    assert cli.run(["weights", "add", str(generators[PIC])]) == 0
    assert len(nic.load(PIC).weights) == 2
    assert nic.load(PIC).weights[0].entropy_id == "e9b8322a"


def test_every_option_is_told():
    command = [sys.executable, "-m", "nic_core"]
    told = subprocess.run([*command, "encode", "--help", "--codec", PICS], capture_output=True, text=True).stdout
    for flag in ("--text", "--iterations", "--candidates", "--select", "--annotator", "--models", "--sketch-weights"):
        assert flag in told
