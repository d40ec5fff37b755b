"""The checks of `nic doctor`, each of which yields findings and raises nothing of what it looks at."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from nic_core import api, native, plugins
from nic_core import weights as known_weights
from nic_core.cli import CORE
from nic_core.cli.output import message
from nic_core.cli.system import versions
from nic_core.cli.system.findings import Finding, State
from nic_core.cli.system.probes import runtimes
from nic_core.cores import cores
from nic_core.errors import NicError, WeightsNotFound
from nic_core.pictures.formats import needed_package
from nic_core.pictures.picture import Picture
from nic_core.plugins.conflicts import conflicts
from nic_core.plugins.published import BASE, DEFAULT, DISTRIBUTIONS, TOOLS

FORMATS = {"AVIF": "AVIF", "HEIF": "HEIC and HEIF", "JXL": "JPEG XL"}
"""Formats of pictures that take a package, and what they are called."""


def all_findings() -> list[Finding]:
    """Return what all checks find, topic by topic."""
    checks = (machine, distributions, runtimes, kernels, found_plugins, weights, trial, formats, environment, folders)
    return [finding for check in checks for finding in check()]


def machine() -> Iterator[Finding]:
    """Yield the Python and the platform."""
    python = {"version": platform.python_version(), "implementation": platform.python_implementation()}
    yield Finding("machine", "Python", "ok", f"{platform.python_implementation()} {python['version']}", facts=python)
    text = f"{platform.platform()}, {cores()} cores"
    yield Finding("machine", "platform", "ok", text, facts={"platform": platform.platform(), "cores": cores()})


def distributions() -> Iterator[Finding]:
    """Yield the distributions of nic and of plugins, those that are not installed, and the libraries below."""
    found = versions.distributions()
    own = {*BASE, *DISTRIBUTIONS.values(), *TOOLS}
    base = found.get("nic-core", "")
    for name, version in found.items():
        facts = {"version": version}
        if name in own and base and version != base:
            remedy = f"pip install {name}=={base}"
            text = f"{version}, beside nic-core {base}: they belong together"
            yield Finding("distributions", name, "broken", text, remedy, facts)
        else:
            yield Finding("distributions", name, "ok", version, facts=facts)
    for name, version in versions.libraries().items():
        yield Finding("distributions", name, "ok", version, facts={"version": version})
    for name in sorted(own - found.keys()):
        yield Finding("distributions", name, "missing", "not installed", f"pip install {name}")


def kernels() -> Iterator[Finding]:
    """Yield whether nic-native runs, and by which instruction sets of the processor."""
    reason = native.why_not()
    if not reason:
        from nic_native import arrays, threads

        best = arrays.SETS[: arrays.library().nic_best_isa() + 1]
        runs, count = arrays.SETS[arrays.instruction_set()], threads.threads.count
        text = f"compiled, runs by {runs} of {', '.join(best)}; {count} {'thread' if count == 1 else 'threads'}"
        facts = {"runs": runs, "instruction_sets": list(best), "threads": count}
        yield Finding("kernels", "nic-native", "ok", text, facts=facts)
        return
    asked = os.environ.get("NIC_NATIVE") == "0"
    state: State = "broken" if not asked and find_spec("nic_native") and library_is_there() else "missing"
    remedy = "" if asked else "pip install --force-reinstall --no-deps nic-native, where there is a compiler"
    yield Finding("kernels", "nic-native", state, f"{reason}: Python computes the same, far slower", remedy)


def library_is_there() -> bool:
    """Return whether nic-native, which must be installed, has its library: without a compiler it comes without."""
    from nic_native.library import FILE

    return FILE.exists()


def found_plugins() -> Iterator[Finding]:
    """Yield the plugins, those that failed with their errors."""
    for plugin in plugins.installed():
        facts = {"distribution": plugin.distribution, "version": plugin.version, "error": plugin.error}
        if plugin.error:
            remedy = f"pip install --upgrade {plugin.distribution}, or NIC_DISABLE_PLUGINS={plugin.name}"
            yield Finding("plugins", plugin.name, "broken", plugin.error, remedy, facts)
            continue
        counts = [f"{len(records)} {hook.removeprefix('nic_')}" for hook, records in plugin.records.items() if records]
        yield Finding("plugins", plugin.name, "ok", ", ".join(counts) or "brings nothing", facts=facts)
    for clash in conflicts(spec.name for spec in CORE):
        remedy, who = "uninstall one, or NIC_DISABLE_PLUGINS", list(clash.plugins)
        yield Finding("plugins", "conflict", "broken", clash.text, remedy, {"plugins": who})


def weights() -> Iterator[Finding]:
    """Yield the weights files that are known, each compared with its fingerprints, and codecs that have none."""
    try:
        files = sorted(known_weights.store_folder().glob("*/*.safetensors"))
    except NicError as error:
        yield Finding("weights", "store", "broken", message(error))
        return
    bundled = [spec.location for _, spec in plugins.records("nic_weights")]
    codecs = set()
    for path in [*files, *(Path(place) for place in bundled if not known_weights.is_remote(place))]:
        try:
            info = known_weights.verified(known_weights.whole(path))
        except NicError as error:
            remedy = "nic weights remove, or fetch it again" if path in files else "install the plugin again"
            yield Finding("weights", path.name, "broken", message(error), remedy, {"path": str(path)})
            continue
        codecs.add(info.codec)
        decoder = f", decoder {info.decoder}" if info.decoder else ""
        text = f"{info.codec}{decoder}, entropy {info.entropy_id}, synthesis {info.synthesis_id}"
        facts = {"path": str(path), "codec": info.codec, "name": info.name, "bytes": path.stat().st_size}
        yield Finding("weights", info.name, "ok", text, facts=facts)
    for _, spec in plugins.records("nic_weights"):
        if known_weights.is_remote(spec.location):
            codecs.add(spec.codec)
            text = f"{spec.codec}, fetched when first used from {known_weights.shown(spec.location)}"
            yield Finding("weights", spec.name, "ok", text)
    for codec in plugins.list_codecs():
        if codec.weights and codec.id not in codecs:
            remedy = f"nic weights import {codec.id} CHECKPOINT, or nic weights add FILE"
            yield Finding("weights", codec.id, "missing", "no weights are known", remedy)


def trial() -> Iterator[Finding]:
    """Yield whether the default codec codes a small picture."""
    try:
        name = known_weights.default_codec()
    except WeightsNotFound as error:
        yield Finding("trial", "default codec", "missing", message(error), f"pip install {DEFAULT}")
        return
    except NicError as error:
        yield Finding("trial", "default codec", "broken", message(error), "nic config default, or NIC_CODEC")
        return
    slope = np.linspace(0, 255, 64).astype(np.uint8)
    picture = Picture(np.stack([np.broadcast_to(slope, (64, 64))] * 3, -1))
    start = time.perf_counter()
    try:
        codec = api.load(name)
        data = codec.encode(picture, 50)
        codec.decode_picture(data)
    except Exception as error:  # whatever does not run here
        yield Finding("trial", name, "broken", message(error))
        return
    ran = f", run by {codec.runtimes}" if codec.runtimes else ""
    text = f"the default: a picture of 64 x 64 pixels became {len(data)} bytes and came back{ran}"
    facts = {"bytes": len(data), "runtimes": codec.runtimes, "seconds": round(time.perf_counter() - start, 3)}
    yield Finding("trial", name, "ok", text, facts=facts)


def formats() -> Iterator[Finding]:
    """Yield the formats of picture files that take a package."""
    for format, name in FORMATS.items():
        package = needed_package(format)
        if package:
            yield Finding("picture files", name, "missing", "not read", f"pip install {package!r}")
        else:
            yield Finding("picture files", name, "ok", "read")


def environment() -> Iterator[Finding]:
    """Yield the variables that nic listens to and that are set."""
    for name in sorted(os.environ):
        if name.startswith("NIC_"):
            yield Finding("environment", name, "ok", os.environ[name], facts={"value": os.environ[name]})


def folders() -> Iterator[Finding]:
    """Yield the folders that nic, and the hub that it fetches weights from, keep files in, with their sizes."""
    hub = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    places = {"cache": user_cache_path("nic"), "Hugging Face cache": Path(hub).expanduser()}
    with suppress(NicError):  # a finding of `weights`
        places["weights store"] = known_weights.store_folder()
    for name, place in places.items():
        if place.is_dir():
            size = sum(file.lstat().st_size for file in place.rglob("*") if file.is_file() and not file.is_symlink())
            yield Finding(
                "folders", name, "ok", f"{size / 1e6:.1f} MB in {place}", facts={"path": str(place), "bytes": size}
            )
        else:
            yield Finding("folders", name, "ok", f"empty, would be {place}", facts={"path": str(place), "bytes": 0})
