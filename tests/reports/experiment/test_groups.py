from dataclasses import replace

from reports.experiment.groups import Group, family_labels, labels, ordered

GROUP = Group("compose", 2, 2, "round_robin", True, "ws", "0.01")


def test_labels_name_only_what_differs() -> None:
    larger = replace(GROUP, replicas=4)
    assert labels([GROUP]) == {GROUP: "2 × 2"}
    assert list(labels([GROUP, larger]).values()) == ["2 × 2", "4 × 2"]
    assert labels([GROUP, replace(larger, balancing="least_conn")])[GROUP] == "2 × 2, round_robin"
    assert list(labels([GROUP, replace(GROUP, reuse_port=False)]).values()) == ["own ports", "shared port"]
    assert list(labels([GROUP, replace(GROUP, transport="http", wait="1")]).values()) == [
        "WebSocket, wait 0.01 s",
        "HTTP, wait 1 s",
    ]
    assert labels([GROUP, replace(larger, deployment="space")])[GROUP] == "compose, 2 × 2"


def test_a_single_url_is_named_by_its_name() -> None:
    space = Group("space", None, None, None, None, "ws", "1")
    assert labels([space]) == {space: "space"}


def test_no_two_groups_share_a_label() -> None:
    groups = [
        replace(GROUP, replicas=r, wait=w, transport=t)
        for r in (1, 2) for w in ("0", "0.0", "uniform:0:1") for t in ("ws", "http")
    ]  # fmt: skip
    assert len(set(labels(groups).values())) == len(groups)


def test_long_names_are_cut_in_the_middle_and_numbered_where_they_are_alike() -> None:
    front, back = "a" * 60, "b" * 60
    names = (f"{front}1", f"{front}2", f"{front}1{back}", f"{front}2{back}")
    groups = [replace(GROUP, deployment=name) for name in names]
    first, second, third, fourth = labels(groups).values()
    assert first.endswith("a1")
    assert second.endswith("a2")
    assert fourth == f"{third} (2)"
    assert len(set(family_labels(groups).values())) == 4


def test_groups_are_ordered_by_family_then_size() -> None:
    groups = [
        replace(GROUP, wait="1"), replace(GROUP, replicas=10), replace(GROUP, replicas=1),
        replace(GROUP, wait="uniform:0:1"), replace(GROUP, wait="1"),
    ]  # fmt: skip
    assert [(group.wait, group.replicas) for group in ordered(groups)] == [
        ("0.01", 1), ("0.01", 10), ("1", 2), ("uniform:0:1", 2),
    ]  # fmt: skip


def test_a_wait_is_a_number_where_it_is_constant() -> None:
    assert GROUP.wait_s == 0.01
    assert replace(GROUP, wait="exponential:0.5").wait_s is None
    assert replace(GROUP, wait="nan").wait_s is None
