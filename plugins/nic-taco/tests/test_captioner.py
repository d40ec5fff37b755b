"""The captioner, with a small CoCa of random weights: some text comes out, and errors are one line."""

import json

import numpy as np
import open_clip
import pytest
import torch
from nic_core.errors import NicError
from nic_taco.captioner import describe

CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {
        "image_size": 32,
        "layers": 1,
        "width": 64,
        "patch_size": 16,
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    },
    "text_cfg": {"width": 32, "heads": 2, "layers": 1, "embed_cls": True, "output_tokens": True, "context_length": 76},
    "multimodal_cfg": {"width": 32, "heads": 2, "layers": 1, "attn_pooler_heads": 2, "context_length": 76},
    "custom_text": True,
}
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A CoCa with random weights, as open_clip keeps a model in a folder."""
    folder = tmp_path_factory.mktemp("random_coca")
    torch.manual_seed(0)
    model = open_clip.CoCa(**{key: value for key, value in CONFIG.items() if key != "custom_text"})
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    return folder


def test_a_picture_is_described(folder, monkeypatch):
    text = describe(PICTURE, str(folder))
    assert isinstance(text, str) and text
    assert describe(PICTURE, str(folder)) == text
    monkeypatch.setenv("NIC_COCA", str(folder))
    assert describe(PICTURE) == text


def test_the_end_token_ends_it(folder, tmp_path):
    weights = torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True)
    end = open_clip.tokenizer.SimpleTokenizer().eot_token_id
    projection = weights["text_decoder.text_projection"]
    projection.zero_()
    weights["text_decoder.ln_final.bias"].fill_(1)
    projection[:, end] = 1
    torch.save(weights, tmp_path / "open_clip_pytorch_model.bin")
    (tmp_path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    assert describe(PICTURE, str(tmp_path)) == ""


@pytest.mark.parametrize("content", ["missing", "empty", "no weights"])
def test_what_is_no_coca_is_refused_in_one_line(content, folder, tmp_path, caplog):
    path = tmp_path / "coca"
    if content in ("empty", "no weights"):
        path.mkdir()
    if content == "no weights":
        (path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    with pytest.raises(
        NicError, match=r"cannot get the captioner CoCa from .*coca: .*download it once .*NIC_COCA, or give"
    ) as caught:
        describe(PICTURE, str(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert not caplog.records


def test_a_download_that_fails_says_what_to_do(monkeypatch):
    def fail(*args, **settings):
        raise OSError("no route\n\n  to host " + "x" * 1000)

    monkeypatch.delenv("NIC_COCA", raising=False)
    monkeypatch.setattr(open_clip, "create_model_from_pretrained", fail)
    with pytest.raises(NicError, match=r"no route to host x+; download it once where there is a network") as caught:
        describe(PICTURE)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
