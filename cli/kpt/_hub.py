"""What ``kpt convert``, ``merge``, ``split`` and ``filter`` share: reading, writing, accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from kpt._options import Location
    from kptdata import Conversion, Ledger, PoseDataset, Schema

__all__ = [
    "Read",
    "Write",
    "check_places",
    "locations",
    "mapping_options",
    "read_sources",
    "reading_options",
    "target_of",
    "tell",
    "writing_options",
]

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class Read(NamedTuple):
    """How sources are read."""

    source_format: str | None
    source_schema: str | None
    images: Path | None
    source_set: tuple[str, ...]


class Write(NamedTuple):
    """How results are written, and where the account goes."""

    target_format: str | None
    strict: bool
    area: str | None
    keep_empty: bool
    settings: tuple[str, ...]
    report: Path | None
    as_json: bool

    def options(self) -> dict[str, Any]:
        """Return the writer's own options, as far as they are given."""
        from kpt._options import parse_settings

        found = parse_settings("--set", self.settings)
        if self.area is not None:
            found["area"] = self.area
        if self.keep_empty:
            found["keep_empty"] = True
        return found


_SCHEMA = click.option(
    "--schema", "source_schema", metavar="S", help="Keypoint schema, if the file does not name it."
)
_SOURCE_SCHEMA = click.option(
    "--source-schema", metavar="S", help="Schema of SRC, if the file does not name it."
)
_READING = (
    click.option("--from", "source_format", metavar="F", help="Format of SRC; sniffed by default."),
    click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Images of SRC."),
    click.option(
        "--source-set", multiple=True, metavar="K=V", help="An option of the reader; repeatable."
    ),
)
_WRITING = (
    click.option(
        "--to", "target_format", metavar="F", help="Format of DST; by default from its name."
    ),
    click.option(
        "--strict", is_flag=True, help="Refuse, before a byte is written, to lose anything."
    ),
    click.option(
        "--area",
        type=click.Choice(["box053", "box", "hull", "none"]),
        help="How to make up the area that COCO evaluation needs, where the source has none; "
        "box053 if not given, in a dialect of COCO what its own files have.",
    ),
    click.option(
        "--keep-empty", is_flag=True, help="Also write people with neither points nor box (COCO)."
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="K=V",
        help="An option of the writer such as outside=clip; repeatable; see kpt formats F.",
    ),
    click.option(
        "--report", type=click.Path(path_type=Path), metavar="FILE", help="Account as JSON."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the account as JSON on stdout."),
)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Read`, as its argument `read`."""
    return _bundled(command, (_READING[0], _SCHEMA, *_READING[1:]), Read, "read")


def mapping_options(command: Callable[..., None]) -> Callable[..., None]:
    """Do as `reading_options` for a command whose ``--schema`` is that of the result."""
    return _bundled(command, (_READING[0], _SOURCE_SCHEMA, *_READING[1:]), Read, "read")


def writing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Write`, as its argument `write`."""
    return _bundled(command, _WRITING, Write, "write")


def _bundled(
    command: Callable[..., None],
    options: Sequence[Decorator],
    kind: type[Read | Write],
    name: str,
) -> Callable[..., None]:
    def call(**given: Any) -> None:
        fields = {field: given.pop(field) for field in kind._fields}
        command(**given, **{name: kind(**fields)})

    call.__doc__ = command.__doc__
    params = getattr(command, "__click_params__", [])
    call.__click_params__ = params  # type: ignore[attr-defined]
    decorated: Callable[..., None] = call
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def locations(sources: Sequence[str], read: Read) -> tuple[list[Path], list[str | None]]:
    """Return the paths of sources and the format of each."""
    from kpt._options import parse_location

    found = [parse_location(source, read.source_format) for source in sources]
    return [place.path for place in found], [place.format for place in found]


def read_sources(
    sources: Sequence[str], read: Read, wanted: Schema | None = None
) -> tuple[tuple[PoseDataset, ...], dict[str, Ledger]]:
    """Read files, folders and patterns; give datasets, and the account if there is one."""
    from kpt._options import parse_settings
    from kptdata.conversion import read_sources as read_all_sources

    paths, formats = locations(sources, read)
    datasets, ledger = read_all_sources(
        paths,
        formats,
        read.source_schema,
        wanted,
        read.images,
        parse_settings("--source-set", read.source_set),
    )
    told = len(sources) > 1 or ledger.notes or ledger.repaired
    return datasets, {"read": ledger} if told else {}


def target_of(text: str, sources: Sequence[str], read: Read, write: Write) -> Location:
    """Return where a result goes; its format is that of the sources if nothing else is said."""
    from kpt._options import parse_target
    from kptdata.conversion import format_of_sources

    target = parse_target(text, write.target_format)
    return target._replace(format=target.format or format_of_sources(*locations(sources, read)))


def check_places(write: Write, sources: Sequence[Path], target: Path) -> None:
    """Refuse, before anything is read, an account that would spoil a file or mix with a result.

    Raises:
        FileError: the report cannot or must not be written where it is asked for.
        OptionError: result and account would both go to stdout.
    """
    from kpt._options import check_report
    from kptdata import OptionError

    check_report(write.report, *sources, target)
    if write.as_json and target == Path("/dev/stdout"):
        raise OptionError("--json: DST is stdout already; let --report name a file")


def tell(results: Mapping[str, Conversion], write: Write) -> None:
    """Print accounts: on stderr for people, as JSON on stdout or in a file if asked for."""
    from kpt._options import echo_json, echo_ledger, write_json

    data: Any = {name: result.to_dict() for name, result in results.items()}
    if list(results) == [""]:
        data = data[""]
    if write.report is not None:
        write_json(data, write.report)
    for result in results.values():
        for title, ledger in result.ledgers.items():
            echo_ledger(title, ledger)
        click.echo(str(result.report), err=True)
    if write.as_json:
        echo_json(data)
