"""A prompt for a picture: the words whose features are nearest to the picture's.

Wen et al., Hard Prompts Made Easy, NeurIPS 2023, algorithm 1, with CLIP's cosine similarity.
"""

import copy
import hashlib
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from nic_core import progress
from nic_core.errors import BadOption
from nic_core.files.atomic import atomic_path, make_folder
from platformdirs import user_cache_path
from torch import Tensor
from torch.nn import functional as F

from nic_textsketch.prompting.clip import Clip
from nic_textsketch.prompting.prompts import VOCABULARY

logger = logging.getLogger("nic")

SAVE_SECONDS = 10


@dataclass(frozen=True)
class Inversion:
    """How prompts are searched for; the paper's values by default.

    tokens: of a prompt. iterations, lr, weight_decay: of AdamW.
    starts: random prompts that each search begins with, the best of what they lead to being taken (the authors'
    prompt_bs); seed: of these.
    """

    tokens: int = 16
    iterations: int = 3000
    lr: float = 0.1
    weight_decay: float = 0.1
    starts: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """A prompt's ids, and the cosine of the angle between its features and the target's."""

    ids: tuple[int, ...]
    similarity: float


def invert(clip: Clip, targets: Tensor, settings: Inversion, state: Path | None = None) -> list[Found]:
    """Return a prompt for each target: the best that came up in any iteration.

    targets: features of unit length, (B, D), of a picture or of a text; each prompt is optimised by itself. The mean
    of several such features is a target too: the prompt's cosine with it is the mean of the cosines with each.
    state: a file that is written on the way; where it is of the same search this goes on from it, to the same prompts.

    BadOption for settings that make no prompt of the CLIP, CannotWrite for the file.
    """
    if not 1 <= settings.tokens <= clip.longest:
        raise BadOption(f"a prompt for this CLIP has 1 to {clip.longest} tokens, not {settings.tokens}")
    if settings.iterations < 1 or settings.starts < 1:
        raise BadOption("a prompt needs at least one iteration and one start")
    search = _Search(clip, targets.to(clip.device), settings)
    if state:
        make_folder(state.parent)
        if state.exists():
            search.resume(state)
    reached, saved, begun = search.snapshot(), -math.inf, search.iteration
    try:
        left = range(search.iteration, settings.iterations)
        for _ in progress.track(left, "inverting the prompt", done=search.iteration):
            search.step()
            reached = search.snapshot()
            if state and time.monotonic() - saved > SAVE_SECONDS:
                _save(reached, state)
                saved = time.monotonic()
    finally:  # an interrupt may come in the midst of a step, so what is kept is the state before
        if state and reached["iteration"] > begun:
            _save(reached, state)
    return search.found()


def state_path(clip: Clip, settings: Inversion, *sought: bytes) -> Path:
    """Return where a search for a prompt is kept in the user's cache. sought: what tells its target from others."""
    key = hashlib.sha256(repr((clip.name, settings, sought)).encode()).hexdigest()[:16]
    return user_cache_path("nic") / "prompts" / f"{key}.pt"


class _Search:
    """The prompts of all targets and starts, (B * starts, tokens), on their way."""

    def __init__(self, clip: Clip, targets: Tensor, settings: Inversion) -> None:
        self.clip, self.settings = clip, settings
        self.key = {"clip": clip.name, **asdict(settings)}
        self.targets = targets
        self.weight = clip.embedding.weight[:VOCABULARY]
        self.directions = F.normalize(self.weight, dim=-1)
        # As the authors draw them, for the same seed; start and end, which they may draw too, become the first ids.
        generator = torch.Generator().manual_seed(settings.seed)
        ids = torch.randint(clip.embedding.num_embeddings, (settings.starts, settings.tokens), generator=generator)
        ids = (ids % VOCABULARY).repeat(len(targets), 1).to(clip.device)
        self.embeddings = self.weight[ids].requires_grad_()
        self.optimizer = torch.optim.AdamW([self.embeddings], lr=settings.lr, weight_decay=settings.weight_decay)
        self.iteration = 0
        self.best_ids, self.best = ids, torch.full((len(ids),), -torch.inf, device=clip.device)

    def step(self) -> None:
        """Try the prompts nearest to the embeddings; move the embeddings by the gradient at those prompts."""
        ids = (F.normalize(self.embeddings.detach(), dim=-1) @ self.directions.T).argmax(-1)
        projected = self.weight[ids].requires_grad_()
        features = self.clip.text_features(projected)
        similarity = (features * self.targets.repeat_interleave(self.settings.starts, 0)).sum(-1)
        (self.embeddings.grad,) = torch.autograd.grad((1 - similarity).sum(), projected)
        self.optimizer.step()
        better = similarity.detach() > self.best
        self.best = torch.where(better, similarity.detach(), self.best)
        self.best_ids = torch.where(better[:, None], ids, self.best_ids)
        self.iteration += 1

    def found(self) -> list[Found]:
        """Return the best prompt of each target."""
        best, start = self.best.view(-1, self.settings.starts).max(-1)
        ids = self.best_ids.view(-1, self.settings.starts, self.settings.tokens)
        chosen = ids[torch.arange(len(ids)), start]
        return [Found(tuple(row), similarity) for row, similarity in zip(chosen.tolist(), best.tolist(), strict=True)]

    def snapshot(self) -> dict[str, Any]:
        """Return all that goes on from here depends on; later steps do not change it."""
        moving = {"embeddings": self.embeddings.detach(), "optimizer": self.optimizer.state_dict()}
        best = {"best": self.best, "best_ids": self.best_ids}
        return {"key": self.key, "targets": self.targets, "iteration": self.iteration, **copy.deepcopy(moving), **best}

    def resume(self, path: Path) -> None:
        """Go on from a saved snapshot; where it is of another search or damaged, say so and begin anew."""
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            # Not to the bit: with other threads, the features of a picture differ in the last place.
            near = torch.allclose(saved["targets"], self.targets.cpu(), atol=1e-4)
            same = near and saved["key"] == self.key and len(saved["targets"]) == len(self.targets)
        except Exception:  # torch and pickle raise what they like
            same = False
        if not same:
            logger.warning("%s holds no state of this search for a prompt, which begins anew", path)
            return
        device = self.clip.device
        self.targets, self.iteration = saved["targets"].to(device), saved["iteration"]
        self.embeddings.data = saved["embeddings"].to(device)
        self.optimizer.load_state_dict(saved["optimizer"])
        self.best, self.best_ids = saved["best"].to(device), saved["best_ids"].to(device)


def _save(snapshot: dict[str, Any], path: Path) -> None:
    with atomic_path(path) as temporary:
        torch.save(snapshot, temporary)
