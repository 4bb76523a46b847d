from dataclasses import replace

from reports.experiment.groups import Group
from reports.experiment.sections.fairness import FairnessComparison, summarize
from reports.experiment.sections.spread import Spread
from tests.reports.experiment.sections.cells import cell, sized

EVEN = sized(2, 2, balancing="least_conn")
UNEVEN = sized(2, 2, balancing="random")


def by_balancing(*jains: tuple[Group, int, list[float]]) -> FairnessComparison:
    cells = [
        cell(group, users, 1, repetition, jain_worker=jain)
        for group, users, values in jains
        for repetition, jain in enumerate(values, 1)
    ]
    return next(found for found in summarize(cells).comparisons if found.kind == "balancing")


def test_the_policy_that_spread_better_comes_first() -> None:
    found = by_balancing((UNEVEN, 64, [0.8, 0.81]), (EVEN, 64, [0.98, 0.99]))
    assert [choice.choice for choice in found.choices] == ["least_conn", "random"]
    assert found.choices[0].jain == Spread(0.985, 0.98, 0.99)
    assert found.takeaway == (
        "least_conn spread the load more evenly than random (Jain's index at the median 0.985 against "
        "0.805), by more than repetitions vary."
    )


def test_a_difference_within_the_repetitions_spread_is_none() -> None:
    found = by_balancing((UNEVEN, 64, [0.80, 0.96]), (EVEN, 64, [0.82, 0.98]))
    assert found.takeaway.startswith("least_conn and random spread the load equally well")


def test_without_repetitions_it_may_be_chance() -> None:
    found = by_balancing((UNEVEN, 64, [0.80]), (EVEN, 64, [0.98]))
    assert "may be chance" in found.takeaway


def test_only_conditions_that_all_choices_share_are_compared() -> None:
    found = by_balancing((UNEVEN, 64, [0.9, 0.9]), (EVEN, 64, [0.95, 0.95]), (EVEN, 24, [0.3, 0.3]))
    assert found.choices[0].jain.low == 0.95
    assert [row.users for row in found.rows] == [64, 64]
    apart = by_balancing((UNEVEN, 64, [0.9]), (EVEN, 24, [0.3]))
    assert "cannot be compared fairly" in apart.takeaway


def test_one_policy_has_nothing_to_compare() -> None:
    assert by_balancing((EVEN, 64, [0.9])).takeaway.startswith(
        "Only one balancing policy was tried, least_conn"
    )


def test_shared_and_own_ports_are_compared() -> None:
    cells = [
        cell(sized(1, 4, reuse_port=own), 64, 1, repetition, jain_worker=jain)
        for own, jain in ((True, 0.99), (False, 0.6)) for repetition in (1, 2)
    ]  # fmt: skip
    [found] = summarize(cells).comparisons
    assert found.kind == "port"
    assert found.takeaway.startswith("own ports spread the load more evenly than shared port")


def test_one_worker_has_nothing_to_share() -> None:
    found = summarize([cell(sized(1, 1), 64, 1)])
    assert found.comparisons == []
    assert found.takeaways[0].startswith("No finished cell had two workers or more")


def test_too_few_users_cannot_be_spread_evenly() -> None:
    assert summarize([cell(sized(2, 2), 19, 1)]).comparisons == []
    assert summarize([cell(sized(2, 2), 20, 1)]).comparisons != []


BEHIND_A_URL = replace(sized(1, 1), replicas=None, workers=None, balancing=None, reuse_port=None)


def test_behind_a_url_fairness_over_workers_is_unknown_and_over_named_hosts_is_told() -> None:
    unknown = "How many workers stand behind a URL is unknown, so fairness over workers is."
    nameless = cell(BEHIND_A_URL, 64, 1, jain_worker=None)
    assert summarize([nameless]).takeaways == [unknown]
    named = [
        cell(BEHIND_A_URL, users, 1, jain_worker=None, jain_replica=jain, hosts=hosts)
        for users, hosts, jain in ((64, 2, 0.9), (64, 1, 1.0), (8, 2, 0.5))
    ]
    over_hosts = (
        "Replies named more than one host in 1 cell: Jain's index over hosts was 0.900 at the median and "
        "between 0.900 and 0.900."
    )
    assert summarize([nameless, *named]).takeaways == [unknown, over_hosts]
