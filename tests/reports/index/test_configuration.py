from typing import Any

import pytest

from reports.index.configuration import configuration_of, peculiarities
from reports.records.schema import RunJson
from tests.reports import sample_reports


def changed(**config: Any) -> RunJson:
    run: Any = sample_reports.run_json(2, 2)
    run["config"] |= config
    return run  # type: ignore[no-any-return]


NORMAL = configuration_of(changed())


@pytest.mark.parametrize(
    "config",
    [
        {"url": "http://127.0.0.1:8123"},
        {"tags": ["nightly"]},
        {"slo": {"success_rate": 0.5, "total_p99_s": 3.0}},
        {"scenario": "sustained"},
        {"warmup_s": 0.0},
        {"reuse_port": None},
    ],
)
def test_what_changes_no_figure_makes_no_other_configuration(config: dict[str, Any]) -> None:
    assert configuration_of(changed(**config)) == NORMAL


@pytest.mark.parametrize(
    "config",
    [
        {"users": 201},
        {"transport": "http"},
        {"wait": "0.06"},
        {"balancing": "random"},
        {"action": {"message": "hello"}},
        {"duration_s": 30.0},
        {"server_settings": {"MAX_CONCURRENT_ENVS": "7"}},
        {"processes": 2},
        {"policy": "greedy.py"},
    ],
)
def test_what_changes_figures_makes_another_configuration(config: dict[str, Any]) -> None:
    assert configuration_of(changed(**config)) != NORMAL


def test_servers_given_by_their_url_are_told_apart_by_it() -> None:
    one, other = (changed(deployment="url", url=url) for url in ("http://a", "http://b"))
    assert configuration_of(one) != configuration_of(other)


def test_an_environment_counts_by_its_name_so_that_versions_make_a_trend() -> None:
    one, other, another = (
        configuration_of(changed(environment={"name": name, "content": content}))
        for name, content in (("chess", "1"), ("chess", "2"), ("go", "1"))
    )
    assert one == other != another


def test_images_count_without_their_tags() -> None:
    names = ("host:5000/chess:1.0", "host:5000/chess:1.1", "host:5000/chess@sha256:ab")
    assert {configuration_of(changed(environment={"name": name}))["environment"] for name in names} == {
        "host:5000/chess"
    }


def test_configurations_that_read_alike_are_named_by_what_sets_them_apart() -> None:
    configurations = [
        configuration_of(changed(**each)) for each in ({}, {"step_timeout_s": 5.0}, {"users": 9})
    ]
    assert peculiarities(["same", "same", "other"], configurations) == [
        ["step timeout s 30.0"],
        ["step timeout s 5.0"],
        [],
    ]
