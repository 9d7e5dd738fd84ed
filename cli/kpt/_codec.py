"""A codec from the command line: a name or a TOML file, and settings."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["codec_from"]

# For a first look, where a codec must be told: the sizes that most of the field uses.
_USUAL: dict[str, Any] = {
    "input_size": [192, 256],
    "heatmap_size": [48, 64],
    "sigma": 2.0,
}
_USUAL_OF: dict[str, dict[str, Any]] = {
    "MegviiHeatmap": {"kernel_size": 11},
    "SimCCLabel": {"sigma": [4.9, 5.66]},
}


def codec_from(text: str, settings: Sequence[str] = (), num_keypoints: int | None = None) -> Any:
    """Make a codec.

    Args:
        text: a codec's name or dotted path, or a TOML file with its table or tables (a run file,
            too).
        settings: ``key=value``, values as in TOML; they win over the file.
        num_keypoints: of the schema, for codecs that must be told.

    Raises:
        FileError: the file cannot be read.
        OptionError: a setting or the file is not TOML, or a value makes no sense.
        UnknownNameError: no such codec or setting.
    """
    from kptdata import OptionError, codecs

    config = _from_file(Path(text)) if _is_file(text) else {"type": text}
    if isinstance(config, list):
        if settings:
            raise OptionError(
                f"set: {settings[0]} is for one codec, and {text} has {len(config)}; write it there"
            )
        return codecs.from_config(config)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise OptionError(f"set: expected key=value such as sigma=3, got {setting!r}")
        config[key.strip()] = _value(value.strip())
    if isinstance(config.get("type"), str):
        parameters = inspect.signature(codecs.CODECS.load(config["type"])).parameters
        usual = _USUAL | _USUAL_OF.get(config["type"], {})
        if num_keypoints is not None:
            usual |= {"num_keypoints": num_keypoints}
        needed = (n for n, p in parameters.items() if p.default is p.empty and n in usual)
        config = {name: usual[name] for name in needed} | config
    return codecs.from_config(config)


def _is_file(text: str) -> bool:
    from kptdata.paths import is_file

    return text.endswith(".toml") or is_file(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _from_file(path: Path) -> Any:
    """Return the table of one codec, or the list of several."""
    from kptdata import FileError, OptionError

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fix = "check the path, or name a codec (docs/codecs.md)"
        raise FileError(f"cannot be read: {error.strerror}", path=path, fix=fix) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: is not TOML: {error}") from None
    found = table.get("codec", table)
    if not isinstance(found, (dict, list)):
        raise OptionError(f"{path}: codec: expected a table [codec] or [[codec]], got {found!r}")
    return found
