"""What git knows of this repository: its commit, what is not committed, and what a file was in the
last commit. Without git, or outside a repository, all of these are unknown."""

import subprocess
from contextlib import suppress

from helpers import files
from helpers.files import StudyError

# What numbers come from; results and drawings come from it in turn.
SOURCES = ("src", "workflow", "notebooks", "data", "pyproject.toml", "constraints.txt")
NOT_SOURCES = ("data/results", "data/runs", "data/adapters")
NAMED = 4  # files that a message names


def git(*arguments: str) -> bytes | None:
    """What a git command writes; None where it fails."""
    with suppress(OSError):  # git is not installed
        command = ["git", "-C", str(files.ROOT), *arguments]
        done = subprocess.run(command, capture_output=True)
        if done.returncode == 0:
            return done.stdout
    return None


def uncommitted() -> list[str]:
    """The files that numbers come from and that differ from the last commit, new ones included."""
    paths = [*SOURCES, *(f":(exclude){path}" for path in NOT_SOURCES)]
    changed = git("status", "--porcelain", "-z", "--no-renames", "-uall", "--", *paths) or b""
    return [entry[3:] for entry in changed.decode().split("\0") if entry]


def commit() -> str:
    """The first 12 digits of the last commit, with "-dirty" where some source is not committed."""
    name = (git("rev-parse", "--short=12", "HEAD") or b"").decode().strip()
    return name and name + "-dirty" * bool(uncommitted())


def refuse_uncommitted(what: str) -> None:
    """Raise StudyError, naming files, where `what` would be published from sources that nobody else
    can look at."""
    if changed := uncommitted():
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        raise StudyError(
            f"{what} is published, and these sources are not committed: "
            f"{', '.join(changed[:NAMED])}{more}. Commit them and run the same command again (what "
            "is finished is kept), or set `publish: false`."
        )


def committed(path: str) -> bytes:
    """A file of the last commit by its path from the repository's root; raises StudyError where
    there is none."""
    content = git("show", f"HEAD:{path}")
    if content is None:
        raise StudyError(
            f"{path} is not in the last commit of this repository, from which kept seeds are taken."
        )
    return content


def has(path: str) -> bool:
    """Whether the last commit has a file."""
    return git("cat-file", "-e", f"HEAD:{path}") is not None
