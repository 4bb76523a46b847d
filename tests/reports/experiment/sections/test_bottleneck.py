from dataclasses import replace
from typing import Any

import pytest

from reports.experiment.cells import Cell
from reports.experiment.groups import labels, ordered
from reports.experiment.sections import growth
from reports.experiment.sections.bottleneck import Bottleneck, Bottlenecks, summarize
from reports.records.schema import Scenario
from reports.statistics.saturation import Cpu
from tests.reports.experiment.sections.cells import GROUP, cell, curve, missed, refused, sized


def summarized(cells: list[Cell], scenario: Scenario = "sustained") -> Bottlenecks:
    names = labels(ordered(cell.group for cell in cells))
    return summarize(cells, growth.summarize(cells, names), scenario)


def only(cells: list[Cell], scenario: Scenario = "sustained") -> Bottleneck:
    [row] = summarized(cells, scenario).rows
    return row


def test_peak_largest_load_and_first_miss() -> None:
    row = only([cell(GROUP, 8, 80), cell(GROUP, 64, 120), missed(GROUP, 128, 100), missed(GROUP, 256, 70)])
    assert (row.peak_throughput, row.peak_users) == (120, 64)
    assert (row.largest_users, row.largest_throughput, row.largest_total_p99) == (256, 70, 0.22)
    assert (row.first_miss_users, row.first_miss_criterion, row.busy_at) == (128, "total_p99_s", 128)
    assert "it first missed the objective with 128, where p99 of total time was" in row.sentence


@pytest.mark.parametrize(
    ("names", "criterion"),
    [
        (["success_rate"], "success_rate"),
        (["success_rate", "total_p99_s"], "both"),
        (["something new"], None),
    ],
)
def test_the_criterion_that_was_missed(names: list[str], criterion: str | None) -> None:
    assert only([missed(GROUP, 8, slo_missed_names=names)]).first_miss_criterion == criterion


def busy(cpu: Cpu | None, scenario: Scenario = "sustained", **changes: Any) -> tuple[str, str]:
    row = only([cell(sized(1, 2), 8, 80, cpu=cpu, **changes)], scenario)
    return row.limit.busy, row.limit.sentence


def test_a_machine_whose_cores_are_used_up() -> None:
    what, why = busy(Cpu(0.8, 0.8, 0.9, 1.0, 0.1), cores=2)
    assert what == "machine"
    assert "whole machine of 2 cores" in why


def test_other_programs_are_named_only_where_they_took_a_good_part() -> None:
    assert busy(Cpu(0.6, 0.6, 0.7, 0.9, 0.1, 0.3), cores=2)[0] == "machine"
    assert busy(Cpu(0.5, 0.5, 0.6, 0.7, 0.1, 0.6), cores=2)[0] == "others"


def test_a_generator_process_at_its_limit() -> None:
    what, why = busy(Cpu(0.97, 0.97, 1.0, 0.5, 0.1))
    assert what == "generator"
    assert "PROCESSES=" in why


def test_a_generator_busy_for_a_moment_only_is_not_the_limit_of_a_sustained_load() -> None:
    cpu = Cpu(0.3, 0.3, 1.0, 0.5, 0.1)
    assert busy(cpu)[0] == "unknown"
    assert busy(cpu, "batch")[0] == "generator"


def test_workers_that_use_a_core_each() -> None:
    assert busy(Cpu(0.3, 0.3, 0.4, 1.9, 0.1))[0] == "workers"


def test_nothing_busy_and_nothing_known() -> None:
    cpu = Cpu(0.3, 0.3, 0.4, 0.9, 0.1)
    what, why = busy(cpu)
    assert what == "unknown"
    assert "More users may find the limit" in why
    two = sized(1, 2)
    beyond_its_limit = only([cell(two, 8, 80, cpu=cpu), missed(two, 16, 80, cpu=cpu)])
    assert "what it waited for is unknown" in beyond_its_limit.limit.explanation
    what, why = busy(None)
    assert what == "unknown"
    assert "not recorded" in why


def test_behind_a_url_the_machine_cannot_be_called_busy() -> None:
    assert busy(Cpu(0.9, 0.9, 0.9, None, None), cores=None)[0] == "unknown"


def test_a_server_by_url_that_shares_the_full_machine_of_its_load_may_carry_more() -> None:
    url = replace(GROUP, replicas=None, workers=None, balancing=None, reuse_port=None)
    cpu = Cpu(0.8, 0.8, 0.9, None, None, 1.1)
    limit = only([cell(url, 64, 60), missed(url, 96, cpu=cpu, cores=None, machine_cores=2)]).limit
    assert (limit.kind, limit.busy, limit.lower_bound) == ("latency", "machine", True)
    assert "competed for it" in limit.explanation


def test_a_limit_that_does_not_show_is_said() -> None:
    assert "its limit may lie beyond" in only(curve(GROUP, {8: [80], 64: [640]})).sentence


def test_the_main_one_is_the_fastest() -> None:
    found = summarized([*curve(GROUP, {8: [80]}), *curve(sized(2, 2), {8: [160]})])
    assert found.main is not None
    assert found.main.label == "2 × 2"


def test_groups_without_figures() -> None:
    found = summarized([cell(GROUP, 8, 1, status="failed", usable=False, valid=False)])
    assert found.rows[0].sentence == "1 × 1: no cell finished."
    assert found.main is None
    assert found.takeaways == ["No cell has figures that can be used."]
    nothing = only([missed(GROUP, 8, usable=False)])
    assert nothing.peak_throughput is None
    assert "99 % of the steps" in nothing.sentence


def test_batches_beyond_the_cap_of_one_worker_were_turned_away() -> None:
    cells = [
        cell(GROUP, 32, 30),
        cell(GROUP, 64, 60),
        refused(GROUP, 96, held=64),
        refused(GROUP, 128, held=64),
    ]
    row = only(cells, "batch")
    assert (row.busy_at, row.limit.kind, row.limit.name) == (
        96,
        "errors",
        "sessions were turned away (CAPACITY_REACHED)",
    )
    assert row.sentence.endswith(
        "it first missed the objective with 96, where too many operations failed. "
        "The server turns sessions away (CAPACITY_REACHED): it holds 64. "
        "Raise MAX_CONCURRENT_ENVS, or add workers or replicas."
    )
    assert not row.limit.lower_bound


def test_refusals_are_the_limit_even_where_the_generator_was_busy() -> None:
    two = sized(1, 2)
    refusals = refused(
        two,
        12_000,
        held=8192,
        each=4096,
        cpu=Cpu(0.99, 0.99, 1.0, 0.6, 0.1),
        errors={"capacity": 30_000, "connect_timeout": 9000, "timeout": 2},
        cores=8,
    )
    row = only([cell(two, 4000, 400), cell(two, 8000, 800), refusals])
    assert row.limit.kind == "errors"
    assert "it holds 4,096 in each of 2 workers; besides, 9,000 connections were not open within 10 s" in (
        row.limit.explanation
    )
    assert row.limit.remedy == "raise MAX_CONCURRENT_ENVS, or add workers or replicas"
    assert not row.limit.lower_bound
    assert row.limit.busy == "generator"


def test_where_every_load_was_beyond_the_cap_what_failed_is_told() -> None:
    found = summarized([refused(GROUP, 96, held=64)], "batch")
    assert found.main is None
    assert "it holds 64. Raise MAX_CONCURRENT_ENVS" in found.takeaways[0]


def test_full_workers_beside_others_with_room_are_told_from_a_full_server() -> None:
    uneven = sized(1, 2, reuse_port=False)
    limit = only([cell(uneven, 64, 60), refused(uneven, 120, held=100, each=64)], "batch").limit
    assert "it holds 64 in each of 2 workers, but sessions are not spread evenly over its 2 workers" in (
        limit.explanation
    )
    assert "REUSE_PORT=1" in limit.remedy


def test_behind_a_url_our_settings_are_no_remedy() -> None:
    url = replace(GROUP, replicas=None, workers=None, balancing=None, reuse_port=None)
    away = only([cell(url, 64, 60), refused(url, 96, held=64)]).limit
    assert "a full worker holds 64" in away.explanation
    assert "max_concurrent_envs, where its app is created" in away.remedy
    refusals = only([refused(url, 96, held=64, errors={"refused": 32}, examples={})]).limit
    assert refusals.remedy == "raise the server's accept backlog (net.core.somaxconn)"


def test_time_outs_are_told_with_what_was_busy() -> None:
    late = refused(
        GROUP, 96, held=64, errors={"timeout": 32}, cpu=Cpu(0.8, 0.8, 0.9, 0.9, 0.1), examples={}, cores=2
    )
    limit = only([cell(GROUP, 64, 60), late]).limit
    assert (limit.kind, limit.busy, limit.name) == (
        "errors",
        "machine",
        "resets or steps had no reply within 30 s",
    )
    assert limit.explanation.startswith(
        "with 96 users, 32 resets or steps had no reply within 30 s; the whole machine of 2 cores was busy"
    )
    assert "more cores" in limit.remedy


def test_few_failures_within_the_objective_are_not_the_limit() -> None:
    row = only([cell(GROUP, 64, 60), missed(GROUP, 96, errors={"capacity": 1})])
    assert row.limit.kind == "latency"
    assert row.limit.explanation.startswith("most of total time went to the step (p99 200 ms)")


def test_a_machine_that_the_generator_filled_too_gives_a_lower_bound() -> None:
    limit = only([cell(GROUP, 64, 60), missed(GROUP, 96, cpu=Cpu(1.0, 1.0, 1.0, 0.9, 0.1), cores=2)]).limit
    assert (limit.busy, limit.lower_bound) == ("machine", True)
