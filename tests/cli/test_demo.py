"""``kpt demo``: every command works, and one page shows them with what they drew."""

from __future__ import annotations

import re

from click.testing import CliRunner
from kpt.commands.demo import steps
from kpt.main import group


def test_demo(tmp_path):
    out = tmp_path / "demo"
    # Training is left to make test-train, which has minutes.
    result = CliRunner().invoke(group, ["demo", "-o", str(out), "--no-train"])

    assert result.exit_code == 0, result.output
    page = (out / "index.html").read_text()
    plan = steps(out, train=False)
    assert page.count('<pre class="command">kpt ') == len(plan)
    assert page.count("<img ") == sum(step.shown for step in plan if step.shows)
    assert not re.search(r'(src|href)="(?!data:)', page)
    for step in plan:
        assert step.title in page
    assert "in all; open" in result.output
