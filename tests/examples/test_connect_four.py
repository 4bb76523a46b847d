"""The example plays: its policy against its own rules, in this process."""

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loadtests.actions.policy import load_policy
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "connect_four"


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    """The module of the rules, which imports no OpenEnv."""
    spec = importlib.util.spec_from_file_location("rules_of_connect_four", EXAMPLE / "server" / "game.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def play(rules: ModuleType, seed: int) -> str:
    """One game as the environment plays it: who won, or draw."""
    act = load_policy(str(EXAMPLE / "policy.py")).act
    assert act is not None
    game, rng, opponent = rules.Game(), random.Random(seed), random.Random(seed)
    for step in range(21):
        seen: dict[str, Any] = {"board": game.board, "legal_columns": game.legal_columns()}
        if game.drop(act(seen, None, step, rng)["column"], rules.AGENT):
            return "won"
        if game.drop(game.opponents_choice(opponent), rules.OPPONENT):
            return "lost"
    return "drawn"


def test_the_policy_plays_every_game_to_its_end_and_mostly_wins(rules: ModuleType) -> None:
    results = [play(rules, seed) for seed in range(30)]
    assert results.count("won") > 15
    assert "lost" in results


def test_four_in_any_direction_win(rules: ModuleType) -> None:
    for line in ([0, 1, 2, 3], [5, 5, 5, 5]):
        game = rules.Game()
        assert [game.drop(column, rules.AGENT) for column in line] == [False, False, False, True]
    game = rules.Game()
    for column, below in ((1, 1), (2, 2), (3, 3)):
        for n in range(below):
            game.drop(column, rules.OPPONENT if n % 2 else -rules.OPPONENT * 2)
    assert [game.drop(column, rules.AGENT) for column in (0, 1, 2, 3)] == [False, False, False, True]


def test_the_dockerfile_installs_what_the_project_asks_for() -> None:
    asked = (EXAMPLE / "server" / "requirements.txt").read_text().split()
    assert all(f'"{each}"' in Path(EXAMPLE / "pyproject.toml").read_text() for each in asked)
