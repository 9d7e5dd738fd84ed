"""Replay reference figures against the project and say which agree.

Run as a script: ``python tests/golden/replay.py DIR [--group GROUP] [--only PREFIX ...]``. Each
group of figures has a module, named in `GROUPS`, with one function ``replay(case, backend)`` that
returns the differences as sentences, none where the case agrees, and raises `NoCounterpartError`
where the project has nothing to compare.
"""

# ruff: noqa: T201 - what this script prints is what it is for

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from replay_cases import (
    BACKENDS,
    Backend,
    Case,
    FolderError,
    NoCounterpartError,
    find_cases,
    is_golden_folder,
)

GROUPS = {
    "bbox": "replay_bbox",
    "keypoint": "replay_keypoint",
    "codecs": "replay_codecs",
    "metrics": "replay_metrics",
    "losses": "replay_losses",
    "ap": "replay_ap",
    "models": "replay_models",
}

Replay = Callable[[Case, Backend], list[str]]

EPILOG = """\
DIR is a folder laid out as the golden figures are: index.json (bbox, keypoint, codecs, metrics),
losses/index.json, ap/index.json, models/*.json, and the files that they name. Any part of such a
folder will do: a group without an index is empty, and a listed case whose file is not there is left
out.

The name of a case is its name in the index: convert0 (bbox), msra/encode0 (codecs), coco17_0 (ap);
for losses and models it is the file name without its ending. A PREFIX may start with the group's
folder, and capitals do not matter: "--only msra", "--only codecs/msra" and "--only MSRA" keep the
same cases.

Last line: matched N/M. Exit status: 0 all agree, 1 a case differs or (without --only) has no
counterpart, 2 wrong arguments or no such folder.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script with command-line `arguments`; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="replay.py",
        description="Replay reference figures against the project.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a folder of golden figures")
    parser.add_argument("--group", choices=GROUPS, help="only this group; by default all")
    parser.add_argument(
        "--only",
        metavar="PREFIX",
        nargs="+",
        action="extend",
        help="only the cases whose name begins with one of these",
    )
    parser.add_argument("--backend", choices=BACKENDS, default="numpy", help="arrays to call with")
    options = parser.parse_args(arguments)
    if not is_golden_folder(options.folder):
        parser.error(
            f"{options.folder}: expected index.json, losses/index.json, ap/index.json or "
            f"models/*.json, found {'none of them' if options.folder.is_dir() else 'no folder'}"
        )
    groups = [options.group] if options.group else list(GROUPS)
    try:
        cases = [case for group in groups for case in find_cases(options.folder, group)]
    except FolderError as error:
        parser.error(str(error))
    kept = [case for case in cases if case.is_kept(options.only)]
    if not kept:
        print(f"{options.folder}: none of its {len(cases)} cases was asked for", file=sys.stderr)
    return replay_all(kept, options.backend, missing_is_failure=options.only is None)


def replay_all(cases: Sequence[Case], backend: Backend, *, missing_is_failure: bool) -> int:
    """Replay `cases`, print what differs and the account; return the exit status."""
    matched, failed = 0, False
    for case in cases:
        try:
            found = _replay(case, backend)
        except NoCounterpartError:
            print(f"MISSING {case.name}")
            failed |= missing_is_failure
            continue
        for difference in found:
            print(f"MISMATCH {case.name}: {difference}")
        matched += not found
        failed |= bool(found)
    print(f"matched {matched}/{len(cases)}")
    return int(failed)


def _replay(case: Case, backend: Backend) -> list[str]:
    replay = _module_of(case.group)
    try:
        return replay(case, backend)
    except NoCounterpartError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a case raises is what differs in it
        return [f"raised {type(error).__name__}: {error}"]


def _module_of(group: str) -> Replay:
    name = GROUPS[group]
    if find_spec(name) is None:
        raise NoCounterpartError(group)
    return import_module(name).replay


if __name__ == "__main__":
    sys.exit(main())
