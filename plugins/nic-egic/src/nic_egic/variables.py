"""Reads the variables of TensorFlow checkpoints; the only module that imports TensorFlow, which is an extra."""

import importlib
import os
import re
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from nic_core.errors import BadWeights, NicError

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
"""What follows a variable's name; other entries are bookkeeping, optimizers' slots among it."""
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
LISTS = re.compile(r"(\w+_)?variables|layers|layer-\d+|keras_api|signatures|regularization_losses")
"""Children of an object that only list again what it holds by other names."""


def read_variables(path: Path) -> dict[str, np.ndarray]:
    """Return a checkpoint's variables by name, which is their path through the objects that hold them.

    path: see `prefix_of`.
    BadWeights where there is no checkpoint that TensorFlow can read, NicError where TensorFlow is not installed.
    """
    prefix = prefix_of(Path(path))
    tensorflow = load_tensorflow()
    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
        keys = sorted(key for key in reader.get_variable_to_shape_map() if key.endswith(VALUE))
        paths = {}
        # SavedModels name a variable by its number in a list wherever that is its shortest path.
        if any(LISTS.fullmatch(key.partition("/")[0]) for key in keys):
            paths = paths_in(reader.get_tensor(GRAPH))
        return {paths.get(key, key.removesuffix(VALUE)): reader.get_tensor(key) for key in keys}
    except Exception as error:  # TensorFlow raises nearly anything on foreign bytes
        raise BadWeights(f"{prefix} is no TensorFlow checkpoint that can be read") from error


def paths_in(serialized: bytes) -> dict[str, str]:
    """Return each variable's shortest path through the objects of a checkpoint's graph, leaving lists out, by key."""
    messages = importlib.import_module("tensorflow.core.protobuf.trackable_object_graph_pb2")
    nodes = messages.TrackableObjectGraph.FromString(serialized).nodes
    paths = {0: ""}
    waiting = deque([0])
    while waiting:
        at = waiting.popleft()
        for child in nodes[at].children:
            if child.node_id not in paths and not LISTS.fullmatch(child.local_name):
                paths[child.node_id] = f"{paths[at]}/{child.local_name}"
                waiting.append(child.node_id)
    return {
        attribute.checkpoint_key: path.removeprefix("/")
        for node, path in paths.items()
        for attribute in nodes[node].attributes
    }


def prefix_of(path: Path) -> Path:
    """Return the common beginning of a checkpoint's files; BadWeights where there is none, or no telling which.

    path: that beginning, the file that ends in .index, the folder of one checkpoint or of a training run, of which
    the latest is taken, or a SavedModel or its variables folder.
    """
    if path.suffix == ".index" and path.is_file():
        return path.with_suffix("")
    if path.with_name(f"{path.name}.index").is_file():
        return path
    if not path.is_dir():
        raise BadWeights(f"cannot read {path}: there is no such folder, and no {path.name}.index")
    for folder in (path, path / "variables"):
        found = sorted(file.with_suffix("") for file in folder.glob("*.index"))
        if len(found) == 1:
            return found[0]
        if found:
            latest = [prefix for prefix in found if prefix.name == latest_of(folder)]
            if latest:
                return latest[0]
            some = ", ".join(prefix.name for prefix in found[:3])
            raise BadWeights(f"{folder} holds {len(found)} checkpoints: name one of them ({some}, ...)")
    raise BadWeights(f"{path} holds no TensorFlow checkpoint: there is no *.index in it")


def latest_of(folder: Path) -> str:
    """Return the name of the checkpoint that training wrote last into a folder, empty where it does not say."""
    listed = folder / "checkpoint"
    for line in listed.read_text(errors="replace").splitlines() if listed.is_file() else []:
        key, _, value = line.partition(":")
        if key == "model_checkpoint_path":
            return Path(value.strip().strip('"')).name
    return ""


def load_tensorflow() -> Any:
    """Import TensorFlow, without its messages; NicError says how to install it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return importlib.import_module("tensorflow")
    except ImportError as error:
        raise NicError("reading TensorFlow checkpoints needs TensorFlow: pip install 'nic-egic[tf]'") from error
