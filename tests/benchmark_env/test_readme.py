import re
from dataclasses import fields

from benchmark_env.settings import Settings

from .conftest import BUILD_COMMAND, ROOT

README = (ROOT / "benchmark_env" / "README.md").read_text()


def test_the_space_card_is_complete() -> None:
    card = dict(re.findall(r"^(\w+):(?: (.+))?$", README.split("---\n")[1], re.MULTILINE))

    assert card["title"]
    assert card["emoji"]
    assert {card["colorFrom"], card["colorTo"]} <= {
        "red",
        "yellow",
        "green",
        "blue",
        "indigo",
        "purple",
        "pink",
        "gray",
    }
    assert (card["sdk"], card["app_port"], card["base_path"]) == ("docker", "8000", "/web")
    assert "tags:\n  - openenv\n---\n" in README


def test_every_setting_is_documented() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)

    assert {field.name.upper() for field in fields(Settings)} <= set(documented)


def test_the_image_is_built_by_the_documented_command() -> None:
    assert f"\n{BUILD_COMMAND}\n" in README
