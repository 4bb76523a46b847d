import pytest

from reports.records.schema import UNASKED_REPLY
from reports.run.sections.errors import Errors, summarize
from tests.reports.operations import Row, connect, failures, reset, step, steps


def errors(rows: list[Row]) -> Errors:
    return summarize(steps(rows), failures(rows))


def test_failures_are_grouped_by_category_and_operation() -> None:
    found = errors(
        [
            connect(0.0, error="timeout", error_detail="10 s"),
            step(1.0, error="timeout", error_detail="30 s"),
            step(2.0, error="timeout", error_detail="31 s"),
            step(3.0, error="timeout", error_detail="31 s"),
            step(3.8),
            step(3.9, error="server_error"),
        ]
    )
    assert [(g.category, g.op, g.count, g.example) for g in found.groups] == [
        ("timeout", "step", 3, "31 s"),
        ("timeout", "connect", 1, "10 s"),
        ("server_error", "step", 1, None),
    ]
    assert [g.first_at for g in found.groups] == pytest.approx([1.1, 0.1, 4.0])
    assert found.categories == ["timeout", "server_error"]
    assert found.counts.tolist() == [[1, 1, 1, 1], [0, 0, 0, 1]]
    assert found.takeaways[0] == "5 of 6 operations failed (83 %), the first 100 ms after the start."
    assert found.takeaways[1].startswith("timeout (3 steps and 1 connect): replies did not come in time")


def test_a_run_without_failures() -> None:
    found = errors([step(0), step(1)])
    assert (found.groups, found.categories) == ([], [])
    assert found.counts.shape == (0, found.at_s.size)
    assert found.takeaways == ["None of 2 operations failed."]


def test_text_from_a_server_is_cut_and_cleaned() -> None:
    example = errors([step(0, error="server_error", error_detail="\x1b[31m" + "x" * 999)]).groups[0].example
    assert example is not None
    assert len(example) == 300
    assert example.isprintable()


def test_a_reply_that_nothing_asked_for_is_told_from_other_breaches_of_the_protocol() -> None:
    unasked = errors([step(0, error="protocol", error_detail=UNASKED_REPLY)])
    assert "the server sent more replies than there were requests" in unasked.takeaways[1]
    other = errors([step(0, error="protocol", error_detail="bad frame")])
    assert "more replies" not in other.takeaways[1]


def test_an_unknown_category_is_shown() -> None:
    assert errors([step(0, error="martians")]).groups[0].category == "martians"


def test_an_empty_run() -> None:
    assert errors([]).groups == []


def turned_away(user: int, at: float, held: str = "1/1") -> list[Row]:
    said = f"CAPACITY_REACHED: Server at capacity: {held} sessions active. Cannot accept new connections."
    return [
        connect(at, user=user),
        reset(at + 0.1, user=user, error="capacity", error_detail=said),
        connect(at + 1, user=user),
        reset(at + 1.1, user=user, error="capacity", error_detail=said),
    ]


def test_a_full_server_is_told_with_whom_it_turned_away_and_what_it_holds() -> None:
    served = [connect(0, user=0), reset(0.1, user=0), step(0.2, user=0)]
    rows = [*served, *(row for user in range(1, 16) for row in turned_away(user, user / 10))]
    assert errors(rows).takeaways[1] == (
        "capacity (30 resets): the server was full, and turned 15 of 16 users away, none of whom completed a "
        "step. It says that each of its processes holds at most 1 at once. Raise max_concurrent_envs in its "
        "create_app call (MAX_CONCURRENT_ENVS for the Benchmark environment), or add workers or replicas. "
        "To hold more than 1, its environment must set SUPPORTS_CONCURRENT_SESSIONS = True."
    )


def test_users_that_got_a_session_later_are_counted_apart() -> None:
    late = [*turned_away(1, 0, "8/8"), connect(3), reset(3.1), step(3.2), *turned_away(2, 0.5, "4/4")]
    told = errors(late).takeaways[1]
    assert "turned 2 of 2 users away, 1 of whom completed a step. It says" in told
    assert "holds at most 4 and 8 at once." in told
    assert "SUPPORTS_CONCURRENT_SESSIONS" not in told


def test_a_full_server_that_says_no_number_is_quoted_with_none() -> None:
    rows = [connect(0), reset(0.1, error="capacity"), reset(1, error="capacity", error_detail="no room")]
    told = errors([*rows, step(2)]).takeaways[1]
    assert told.startswith("capacity (2 resets): the server was full, and turned 1 of 1 user away. Raise")
    assert "It says" not in told


def failed_connects(*details: str, category: str = "handshake", transport: str = "ws") -> str:
    """What is said to do about operations that failed in such words."""
    rows = [
        connect(at, error=category, error_detail=detail, transport=transport)
        for at, detail in enumerate(details)
    ]
    return errors(rows).takeaways[1]


UNTRUSTED = "certificate not trusted: self-signed certificate"
FORBIDDEN = "HTTP 403 Forbidden instead of a WebSocket"


def test_a_certificate_that_is_not_trusted_is_told_with_how_to_trust_it() -> None:
    for transport in ("ws", "http"):
        assert failed_connects(UNTRUSTED, transport=transport) == (
            "handshake (1 connect): the server's certificate was not trusted: name the authority that signed "
            "it in SSL_CERT_FILE, or take any certificate with TLS_VERIFY=0."
        )


@pytest.mark.parametrize(
    ("category", "detail"),
    [
        ("handshake", FORBIDDEN),
        ("handshake", "HTTP 401 Unauthorized instead of a WebSocket"),
        ("http_4xx", 'HTTP 401: {"detail": "who are you?"}'),
        ("http_4xx", "HTTP 403: "),
    ],
)
def test_refused_access_is_told_with_how_to_gain_it(category: str, detail: str) -> None:
    told = failed_connects(detail, category=category)
    assert told.startswith(
        f"{category} (1 connect): access was refused: put what the server asks for, such as a token"
    )
    assert "in HEADERS" in told
    assert ("check the path" in told) is (category == "handshake")


@pytest.mark.parametrize(
    ("category", "detail", "said"),
    [
        (
            "handshake",
            "HTTP 404 Not Found instead of a WebSocket",
            "did not become WebSockets: check the scheme",
        ),
        ("handshake", "connection closed while reading HTTP status line", "did not become WebSockets"),
        ("http_4xx", "HTTP 404: HTTP 401", "the server refused requests: check the path"),
    ],
)
def test_other_failures_of_these_categories_keep_their_words(category: str, detail: str, said: str) -> None:
    assert said in failed_connects(detail, category=category)


def test_of_several_kinds_in_one_category_the_most_frequent_comes_first() -> None:
    told = failed_connects(UNTRUSTED, FORBIDDEN, FORBIDDEN)
    assert told.startswith("handshake (3 connects): access was refused")
    assert " Others: the server's certificate was not trusted" in told


def test_failures_without_a_detail_get_the_words_of_their_category() -> None:
    told = errors([connect(0, error="handshake"), connect(1, error="handshake")]).takeaways[1]
    assert told.startswith("handshake (2 connects): connections were made, but did not become WebSockets")
