"""docs/reliability.md: each promise has a test, and each test that is named is there."""

import ast
import re

from attack.command import ATTACKS
from tiny_run import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
PROMISES = PAGE.partition("## What is promised")[2].partition("\n## ")[0]


def test_each_test_that_is_named_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) >= 40
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{path} has no {name}"


def test_each_promise_has_a_test_or_an_attack():
    rows = [row for row in PROMISES.splitlines() if row.startswith("|")][2:]
    promises = [index for index, row in enumerate(rows) if re.match(r"\| \d+ \|", row)]
    for index, end in zip(promises, [*promises[1:], len(rows)], strict=True):
        attack = rows[index].rstrip("| ").endswith("`")
        assert end > index + 1 or attack, rows[index]
    assert set(re.findall(r"`(\w+)` \|$", PROMISES, re.MULTILINE)) <= set(ATTACKS)


def test_the_table_of_the_attack_has_every_row():
    for attack in ATTACKS.values():
        assert re.search(rf"^\| {re.escape(attack.title)} \| \d+ \| \d+ \| \d+ \|$", PAGE, re.MULTILINE), attack.title
    assert set(re.findall(r"`(\w+)`", PAGE.partition("`--only` takes")[2])) >= set(ATTACKS)
