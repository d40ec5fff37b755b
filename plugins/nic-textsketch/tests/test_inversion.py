"""Prompts for pictures, by a CLIP of open_clip with random weights."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import tiny_open_clip
import torch
from nic_core import cli
from nic_core.errors import BadOption, NicError
from nic_core.progress import Listener, listening
from nic_nn.testing import normal
from nic_textsketch.prompting import inversion, prompts
from nic_textsketch.prompting.clip import BATCH, Clip, load_clip
from nic_textsketch.prompting.inversion import Inversion, invert
from nic_textsketch.prompting.prompts import END, START, VOCABULARY
from PIL import Image
from torch.nn import functional as F

GOLDEN = Path(__file__).parent / "golden" / "inversion.json"
ADAM_W = torch.optim.AdamW
SHORT = Inversion(tokens=4, iterations=12)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return load_clip(str(tiny_open_clip.write(tmp_path_factory.mktemp("clip"))))


@pytest.fixture(scope="module")
def targets(clip):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), np.uint8)
    return clip.image_features([Image.fromarray(picture) for picture in pixels])


def features_of(clip, ids):
    """Return what open_clip computes by itself of whole texts, (N, n)."""
    texts = torch.zeros(len(ids), 77, dtype=torch.long)
    texts[:, 0], texts[:, 1 : ids.shape[1] + 1], texts[:, ids.shape[1] + 1] = START, ids, END
    with torch.no_grad():
        return clip.model.encode_text(texts, normalize=True)


@pytest.fixture
def steps(monkeypatch, clip):
    """Record the embeddings that are tried and their features."""
    tried = []
    compute = Clip.text_features

    def recorded(self, embeddings):
        features = compute(self, embeddings)
        tried.append((embeddings.detach(), features.detach()))
        return features

    monkeypatch.setattr(Clip, "text_features", recorded)
    return tried


def test_features(clip, targets):
    assert targets.shape == (3, 24)
    assert torch.allclose(targets.norm(dim=1), torch.ones(3))
    ids = torch.randint(VOCABULARY, (5, 7), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(clip.text_features(clip.embedding(ids)), features_of(clip, ids), atol=1e-6)
    many = [Image.new("L", (9, 9), gray) for gray in range(BATCH + 2)]
    assert torch.allclose(clip.image_features(many)[-1], clip.image_features(many[-1:])[0], atol=1e-6)


def test_the_steps_are_those_of_the_authors(clip, steps):
    golden = json.loads(GOLDEN.read_text())
    target = F.normalize(torch.from_numpy(normal("target", (1, 24)).astype(np.float32)))
    invert(clip, target, Inversion(iterations=len(golden["ids"]), seed=golden["seed"]))
    ids = [F.normalize(embeddings[0]) @ F.normalize(clip.embedding.weight).T for embeddings, _ in steps]
    assert [scores.argmax(-1).tolist() for scores in ids] == golden["ids"]
    similarities = torch.stack([(features @ target.T).flatten()[0] for _, features in steps])
    assert (similarities - torch.tensor(golden["similarities"])).abs().max() < 1e-5


def test_it_beats_random_prompts(clip, targets):
    (found,) = invert(clip, targets[:1], Inversion(iterations=300))
    random = torch.randint(VOCABULARY, (300, 16), generator=torch.Generator().manual_seed(1))
    best = (features_of(clip, random) @ targets[0]).max().item()
    assert found.similarity > best
    assert len(found.ids) == 16
    assert (features_of(clip, torch.tensor([found.ids]))[0] @ targets[0]).item() == pytest.approx(
        found.similarity, abs=1e-5
    )


def test_targets_at_once_are_as_each_alone(clip, targets):
    together = invert(clip, targets, SHORT)
    alone = [invert(clip, target[None], SHORT)[0] for target in targets]
    assert [found.ids for found in together] == [found.ids for found in alone]
    assert [found.similarity for found in together] == pytest.approx([found.similarity for found in alone], abs=1e-5)
    assert len({found.ids for found in together}) == 3


def test_one_prompt_for_several_pictures(clip, targets):
    """Its similarity is the mean of those to each, and higher than that of the prompts for one of them."""
    settings = Inversion(tokens=4, iterations=60)
    (shared,) = invert(clip, targets.mean(0, keepdim=True), settings)
    similarities = (features_of(clip, torch.tensor([shared.ids])) @ targets.T).mean().item()
    assert shared.similarity == pytest.approx(similarities, abs=1e-5)
    own = [features_of(clip, torch.tensor([found.ids])) @ targets.T for found in invert(clip, targets, settings)]
    assert shared.similarity > min(found.mean().item() for found in own)


def test_a_prompt_for_a_text(clip):
    ids = prompts.tokens("a red barn in a field of wheat under a cloudy sky")
    target = clip.prompt_features(ids)
    assert torch.allclose(target, features_of(clip, torch.tensor([ids])), atol=1e-6)
    (found,) = invert(clip, target, Inversion(tokens=4, iterations=100))
    random = torch.randint(VOCABULARY, (100, 4), generator=torch.Generator().manual_seed(1))
    assert found.similarity > (features_of(clip, random) @ target[0]).max().item()


def test_rate_and_decay_are_the_optimizers(clip, targets, monkeypatch):
    made = []
    monkeypatch.setattr(torch.optim, "AdamW", lambda *given, **named: made.append(named) or ADAM_W(*given, **named))
    invert(clip, targets[:1], Inversion(tokens=2, iterations=1, lr=0.3, weight_decay=0.05))
    assert made == [{"lr": 0.3, "weight_decay": 0.05}]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder of pictures, and a CLIP as local models have it; the user's cache is not touched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tiny_open_clip.write(tmp_path / "models" / "tiny" / "clip")
    (tmp_path / "in").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.png")
    return tmp_path / "in"


def test_the_command(pictures, capsys):
    usual = ["--clip", "tiny/clip", "--models", str(pictures.parent / "models"), "--device", "cpu"]
    short = ["--tokens", "3", "--iterations", "4", *usual]
    found = []
    for what in ([str(pictures)], [str(pictures / "0.png")], ["--target-text", "a red barn"]):
        assert cli.run(["prompt", *what, *short]) == 0
        found.append(capsys.readouterr())
    assert [said.err.split(":")[0] for said in found] == [
        *("similarity to 3 pictures", "similarity to 1 picture", "similarity to the text")
    ]
    assert len({said.out for said in found}) == 3
    assert all(said.out.strip() and said.out.count("\n") == 1 for said in found)
    assert cli.run(["prompt", str(pictures), *short]) == 0  # from the user's cache
    assert capsys.readouterr() == found[0]
    assert cli.run(["prompt", str(pictures), *short, "--lr", "0.7", "--weight-decay", "0", "--prompt-bs", "2"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "give pictures, or --target-text"),
        (["in", "--target-text", "a"], 2, "give pictures, or --target-text"),
        (["in", "--tokens", "76"], 1, "tokens must be 1 to 75, not '76'"),
        (["in", "--lr", "-1"], 1, "lr must be at least 0, not '-1'"),
        (["--target-text", " "], 1, "has no words"),
        (["models"], 1, "no pictures below models"),
        (["in", "--clip", "tiny/absent"], 1, "hf download tiny/absent"),
    ],
)
def test_what_the_command_refuses(pictures, arguments, code, says, monkeypatch, capsys):
    monkeypatch.chdir(pictures.parent)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    chosen = [] if "--clip" in arguments else ["--clip", "tiny/clip"]
    assert cli.run(["prompt", *arguments, *chosen, "--models", "models", "--device", "cpu"]) == code
    said = capsys.readouterr()
    assert says in said.err
    assert not said.out


def test_more_starts_are_not_worse(clip, targets):
    settings = Inversion(tokens=4, iterations=5)
    one = invert(clip, targets, settings)
    four = invert(clip, targets, Inversion(tokens=4, iterations=5, starts=4))
    assert all(more.similarity >= less.similarity - 1e-6 for more, less in zip(four, one, strict=True))
    assert any(more.similarity > less.similarity + 1e-3 for more, less in zip(four, one, strict=True))
    assert invert(clip, targets, Inversion(tokens=4, iterations=5, seed=1)) != one


@pytest.mark.parametrize("seconds", [-1, 1000])  # between writes: the file is of the last step or of the interrupt
def test_an_interrupted_search_goes_on(clip, targets, tmp_path, monkeypatch, seconds, caplog):
    monkeypatch.setattr(inversion, "SAVE_SECONDS", seconds)
    state = tmp_path / "prompts" / "state.pt"
    expected = invert(clip, targets, SHORT)
    step = torch.optim.AdamW.step
    calls = []

    def interrupted(self):
        calls.append(1)
        step(self)
        if len(calls) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        invert(clip, targets, SHORT, state)
    heard = []
    with listening(Listener(step=lambda *said: heard.append(said), note=heard.append)):
        assert invert(clip, targets + 1e-6, SHORT, state) == expected  # the features are computed anew meanwhile
    assert heard[0] == ("inverting the prompt", 6, 12)
    assert heard[-1] == ("inverting the prompt", 12, 12)
    assert len(calls) == 13
    assert invert(clip, targets, SHORT, state) == expected  # from the file alone
    assert len(calls) == 13
    assert not caplog.records
    assert [path.name for path in state.parent.iterdir()] == ["state.pt"]


@pytest.mark.parametrize("what", ["damaged", "foreign", "settings", "targets", "fewer"])
def test_a_file_of_something_else_is_not_used(clip, targets, tmp_path, what, caplog):
    state = tmp_path / "state.pt"
    invert(clip, targets, SHORT, state)
    wanted, settings = targets, SHORT
    if what == "damaged":
        state.write_bytes(state.read_bytes()[:1000])
    elif what == "foreign":
        torch.save([1, 2], state)
    elif what == "settings":
        settings = Inversion(tokens=4, iterations=12, seed=5)
    else:
        wanted = -targets if what == "targets" else targets[:1]
    assert invert(clip, wanted, settings, state) == invert(clip, wanted, settings)
    assert "state.pt holds no state of this search" in caplog.text
    caplog.clear()
    invert(clip, wanted, settings, state)
    assert not caplog.records


@pytest.mark.parametrize("wrong", [{"tokens": 0}, {"tokens": 76}, {"iterations": 0}, {"starts": 0}])
def test_what_makes_no_prompt(clip, targets, wrong):
    with pytest.raises(BadOption):
        invert(clip, targets, Inversion(**wrong))


def test_the_longest_prompt(clip, targets):
    assert len(invert(clip, targets[:1], Inversion(tokens=75, iterations=1))[0].ids) == 75


@pytest.mark.parametrize("options", [{}, {"no_causal_mask": True}])
def test_other_kinds_of_text_towers(clip, options):
    text = {**tiny_open_clip.CONFIG["text_cfg"], **options}
    other = Clip("other", open_clip.CustomTextCLIP(**{**tiny_open_clip.CONFIG, "text_cfg": text}).eval(), clip.prepare)
    ids = torch.tensor([[1000, 2000, 3000], [4000, 5000, 6000]])
    assert torch.allclose(other.text_features(other.embedding(ids)), features_of(other, ids), atol=1e-6)


def test_what_is_no_clip(tmp_path, monkeypatch):
    damaged = tiny_open_clip.write(tmp_path / "damaged")
    (damaged / "open_clip_model.safetensors").write_bytes(b"none")
    with pytest.raises(NicError, match="it must be a CLIP as open_clip saves one"):
        load_clip(str(damaged))
    monkeypatch.setitem(tiny_open_clip.CONFIG["text_cfg"], "vocab_size", 1000)
    with pytest.raises(NicError, match="vocabulary of 49408 tokens"):
        load_clip(str(tiny_open_clip.write(tmp_path / "other")))


def test_a_clip_is_loaded_once(clip):
    assert load_clip(clip.name) is clip
