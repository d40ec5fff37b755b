"""Shards of pictures or .nic files: one job that works through the members of a .tar file."""

import logging
from collections.abc import Callable
from pathlib import PurePosixPath

from nic_core.cli.jobs import Existing, Job, Kind
from nic_core.cli.output import message
from nic_core.cli.work import NOTHING, Done, Say
from nic_core.errors import NicError
from nic_core.files.places import exists
from nic_core.files.shards import Member, Names, inside, members, new_folder, new_shard

logger = logging.getLogger("nic")

Code = Callable[[bytes, str, Say], tuple[bytes, Done]]
"""Makes of a member's bytes those of its output. The text is what errors call it."""


def recode(job: Job, kind: Kind, code: Code, say: Say, existing: Existing) -> Done:
    """Make of a shard a shard, or a folder, in which the files of a kind are converted and others are as they were.

    A member that fails is left out and named in the result; the others are still done. A new shard is written whole or
    not at all, and in a folder each file is: what is no whole tar file ends the job, as does an output that cannot be
    written.
    """
    done, names, as_folder = NOTHING, Names(), job.shard == "folder"
    for name in job.without:
        done += _failed(f"{job.source}/{name}", "a worker process died at it twice")
    target = (new_folder if as_folder else new_shard)(job.target, existing == "replace" or job.again)
    with target as add:
        for member in members(job.source, job.without):
            shown = f"{job.source}/{member.name}"
            wanted = PurePosixPath(member.name).suffix.lower() in kind.reads
            say(member.name)
            try:
                name = names.take(member.name, kind.makes if wanted else None)
                if as_folder and exists(inside(job.target, name)) and (existing == "skip" or job.again):
                    done += Done(0, 0, files=0, there=int(wanted))
                    continue
                data, one = code(member.data, shown, say) if wanted else (member.data, NOTHING)
            except Exception as error:  # a codec may raise anything; the other members are still done
                logger.debug("%s", shown, exc_info=True)
                done += _failed(shown, message(error))
                continue
            add(Member(name, data, member.modified))
            done += one
        if done == NOTHING:
            raise NicError(f"{job.source}: no {kind.called} in this tar file")
    return done


def _failed(name: str, text: str) -> Done:
    return Done(0, 0, files=0, failed=(text if name in text else f"{name}: {text}",))
