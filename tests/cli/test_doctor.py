import re

import torch

from labelmend import __version__
from labelmend.cli.main import main


def test_a_bug_report_has_versions_machine_and_extras(capsys):
    assert main(["doctor"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["labelmend"] == __version__
    assert f"torch {torch.__version__.partition('+')[0]}" in lines["needs"]
    assert re.match(r"\d+ of torch, \d+ to decode, \d+ processors", lines["threads"])
    assert lines["bfloat16"].startswith(("yes", "no"))
    assert lines["devices"].startswith("cpu")
    assert "GiB" in lines["memory"]
    assert re.search(r"hypothesis \d", lines["dev"])
    assert {"python", "system", "processor", "terminal"} <= lines.keys()
