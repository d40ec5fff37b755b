"""Prompts for pictures, by a CLIP of open_clip with random weights."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import tiny_open_clip
import torch
from nic_core.errors import BadOption, NicError
from nic_core.progress import Listener, listening
from nic_nn.testing import normal
from nic_textsketch.prompting import inversion
from nic_textsketch.prompting.clip import BATCH, Clip, load_clip
from nic_textsketch.prompting.inversion import Inversion, invert
from nic_textsketch.prompting.prompts import END, START, VOCABULARY
from PIL import Image
from torch.nn import functional as F

GOLDEN = Path(__file__).parent / "golden" / "inversion.json"
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
