"""Features of captions: equal to transformers' on the same weights, from every kind of file, and errors in one line."""

import hashlib
import json

import open_clip
import pytest
import torch
from nic_core.errors import NicError
from nic_nn.weights import pretrained
from nic_taco.text import TOKENS, load_text_encoder
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from tiny_clip import TEXT_WIDTH, write_random_clip
from transformers import CLIPConfig, CLIPModel, CLIPTokenizerFast

CAPTIONS = [
    "a red door with a brass knocker",
    "",
    "A Man, a plan - a canal: PANAMA! it's 3.14159 miles long, isn't it?",
    "two dogs " * 30,  # cut
    *(" ".join(["cat"] * count) for count in (35, 36, 37)),  # as long as fits, and one token less and more
    "une fenêtre à Besançon, où naïve cafe\u0301",  # the last e is composed only by normalisation
    "赤いドアの写真、東京",
    "ΟΔΟΣ ΣΟΦΟΣ, İstanbul'da STRASSE ẞ",
    "дверь и латунный молоток",
    "🚪 and 👍🏽 👩‍👩‍👧‍👦",
    "  a\tred\n\n door\u00a0\u2003here \r\n",
    "a “red” door — its &amp; &lt;b&gt; ﬁne Ａ½ ™",
    "!!! %%% !",
]
PROBE = CAPTIONS[:3]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """The folder of a small CLIP with random weights and of its tokenizer, as transformers saves them."""
    folder = tmp_path_factory.mktemp("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**sizes, "image_size": 32, "patch_size": 16}
    model = CLIPModel(CLIPConfig(text_config=sizes, vision_config=vision, projection_dim=48))
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
        parameter.data.copy_(parameter.data.half())  # as OpenAI's are
    model.save_pretrained(folder)
    tokenizer = SimpleTokenizer()
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(token, token): number for token, number in tokenizer.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, tokenizer.bpe_ranks)]))
    return folder


@pytest.fixture(scope="module")
def expected(theirs):
    """Tokens, features and vectors of the captions, as the authors' code has them computed."""
    model = CLIPModel.from_pretrained(theirs).eval()
    tokenizer = CLIPTokenizerFast.from_pretrained(theirs)
    given = tokenizer(CAPTIONS, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
    with torch.no_grad():
        output = model.text_model(given["input_ids"], given["attention_mask"])
        return given, output.last_hidden_state, model.text_projection(output.pooler_output)


@pytest.mark.parametrize("number", range(len(CAPTIONS)), ids=lambda n: repr(CAPTIONS[n][:20]))
def test_features_are_those_of_transformers(number, theirs, expected):
    encoder = load_text_encoder(str(theirs))
    features = encoder.embed([CAPTIONS[number]])
    assert features.shape == (1, TOKENS, encoder.width) and features.dtype == torch.float32
    assert (features - expected[1][number]).abs().max() < 1e-4
    assert not features.requires_grad


def test_captions_of_different_lengths_go_together(theirs, expected):
    encoder = load_text_encoder(str(theirs))
    assert (encoder.embed(CAPTIONS) - expected[1]).abs().max() < 1e-4
    assert (encoder.project(CAPTIONS) - torch.nn.functional.normalize(expected[2], dim=-1)).abs().max() < 1e-5


def test_the_reference_covers_padding_and_cutting(expected):
    lengths = expected[0]["attention_mask"].sum(1).tolist()
    assert min(lengths) == 2 and max(lengths) == TOKENS and lengths[4:7] == [37, 38, 38]
    spread = (expected[1][:, 1:] - expected[1][:, :-1]).abs().amax((1, 2))
    assert spread.min() > 0.5  # no features that would agree whatever the tokens are


def test_its_own_cleaning_would_make_other_tokens(expected):
    number = next(i for i, caption in enumerate(CAPTIONS) if "“" in caption)
    tokens = SimpleTokenizer(context_length=TOKENS)([CAPTIONS[number]])[0]
    end = tokens.argmax()
    assert tokens[:end].tolist() != expected[0]["input_ids"][number, :end].tolist()


def test_a_special_token_spelled_out_and_broken_unicode_do_no_harm(theirs):
    encoder = load_text_encoder(str(theirs))
    features = encoder.embed(["a <end_of_text> b <start_of_text>", "<|endoftext|>", "\udcff\ud800 a\x00b"])
    assert features.isfinite().all()


def test_precision_of_training_does_not_matter(theirs):
    encoder = load_text_encoder(str(theirs))
    with torch.autocast("cpu", torch.bfloat16):
        inside = encoder.embed(PROBE)
    assert torch.equal(inside, encoder.embed(PROBE))


def as_safetensors(file, folder):
    save_file(torch.load(file, weights_only=True), folder / "clip.safetensors")
    return folder / "clip.safetensors"


def as_open_clip_folder(file, folder):
    torch.save({"state_dict": {f"module.{k}": v for k, v in torch.load(file, weights_only=True).items()}}, folder / "x")
    (folder / "x").rename(folder / "open_clip_pytorch_model.bin")
    return folder


def as_openai(file, folder):
    class Archive(torch.nn.Module):
        """A tree of modules with the weights' names."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    root = Archive()
    for name, value in torch.load(file, weights_only=True).items():
        *parents, last = name.split(".")
        module = root
        for parent in parents:
            if not hasattr(module, parent):
                module.add_module(parent, Archive())
            module = getattr(module, parent)
        module.register_buffer(last, value)
    for name in ("input_resolution", "context_length", "vocab_size"):
        root.register_buffer(name, torch.tensor(1))
    torch.jit.save(torch.jit.script(root), folder / "ViT-B-32.pt")
    return folder / "ViT-B-32.pt"


@pytest.mark.parametrize("save", [as_safetensors, as_open_clip_folder, as_openai])
@pytest.mark.filterwarnings("ignore")  # torch's, that TorchScript will go
def test_every_kind_of_file_is_read(save, tmp_path, monkeypatch):
    plain = write_random_clip(tmp_path)
    encoder = load_text_encoder(str(plain))
    assert encoder.width == TEXT_WIDTH
    file = save(plain, tmp_path)
    if save is as_openai:  # a program: only the one that OpenAI published is opened
        with pytest.raises(NicError, match=r"ViT-B-32\.pt is no PyTorch checkpoint of plain tensors"):
            load_text_encoder(str(file))
        monkeypatch.setattr(pretrained, "ARCHIVES", {hashlib.sha256(file.read_bytes()).hexdigest(): "this one"})
    saved = load_text_encoder(str(file))
    assert saved is not encoder
    assert torch.equal(saved.embed(PROBE), encoder.embed(PROBE))


def test_clip_is_loaded_once_and_named_by_the_environment(theirs, monkeypatch):
    monkeypatch.setenv("NIC_CLIP", str(theirs))
    assert load_text_encoder() is load_text_encoder(str(theirs), torch.device("cpu"))


@pytest.mark.parametrize("content", ["missing", "folder", "photo", "tensors", "safetensors"])
def test_what_is_no_clip_is_refused_in_one_line(content, tmp_path):
    path = tmp_path / ("clip.safetensors" if content == "safetensors" else "clip.pt")
    if content == "folder":
        path.mkdir()
    elif content == "photo":
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    elif content == "tensors":
        torch.save({"weight": torch.zeros(3)}, path)
    elif content == "safetensors":
        save_file({"ln_final.weight": torch.zeros(3)}, path)
    with pytest.raises(NicError, match=r"cannot get CLIP ViT-B/32 from .*--clip PATH or NIC_CLIP") as caught:
        load_text_encoder(str(path))
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_download_that_fails_says_what_to_do(monkeypatch):
    def fail(*args, **settings):
        raise OSError("no route\n\n  to host " + "x" * 1000)

    monkeypatch.delenv("NIC_CLIP", raising=False)
    monkeypatch.setattr(open_clip, "create_model", fail)
    with pytest.raises(NicError, match=r"no route to host x+; download it once where there is a network") as caught:
        load_text_encoder("", "cpu")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
