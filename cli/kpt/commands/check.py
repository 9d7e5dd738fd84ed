"""``kpt check``: findings in annotations, by rule."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("check")
@click.argument("src")
@click.option("--from", "source_format", metavar="F", help="Format of SRC; sniffed by default.")
@click.option("--schema", metavar="S", help="Keypoint schema, if the file does not name it.")
@click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Images of SRC.")
@click.option("--rule", "rules", multiple=True, metavar="R", help="Only this rule; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON on stdout.")
def command(
    src: str,
    source_format: str | None,
    schema: str | None,
    images: Path | None,
    rules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find problems in annotations: rule, severity, ids.

    Exit status 1 if a finding is an error, 0 if there are none or only warnings.
    """
    import kptdata as kd
    from kpt._options import echo_json, parse_location

    source = parse_location(src, source_format)
    parts = kd.read_all(source.path, format=source.format, schema=schema, images=images)
    findings = [f for part in parts for f in kd.check(part, images=images, rules=rules or None)]
    if as_json:
        echo_json([finding.to_dict() for finding in findings])
    else:
        for f in findings:
            few = ", ".join(map(str, f.ids[:8])) + (", ..." if len(f.ids) > 8 else "")
            click.echo(
                f"{f.severity}: {f.rule}: {len(f.ids)} {f.of}s: {f.message} ({few})", err=True
            )
        instances = sum(map(len, parts))
        click.echo(f"{instances} instances checked, {len(findings)} findings", err=True)
    sys.exit(any(f.severity == "error" for f in findings))
