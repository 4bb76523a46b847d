import pytest

from benchmark_env.settings import Settings, SettingsError


def test_nothing_set_gives_the_defaults() -> None:
    settings = Settings.from_environ({})

    assert settings.workers == 2
    assert settings.address == ("127.0.0.1", 8000)
    assert settings.host_url is None
    assert settings.max_concurrent_envs == 4096
    assert settings.max_wait_seconds == 3600.0
    assert settings.max_steps_in_flight == 0
    assert settings.session_idle_timeout == 0.0
    assert settings.request_timeout == 30.0
    assert settings.ping_interval == 20.0
    assert settings.graceful_timeout == 30.0
    assert settings.max_message_bytes == 16 * 1024 * 1024
    assert settings.reuse_port
    assert not settings.access_log


def test_values_are_read() -> None:
    settings = Settings.from_environ(
        {
            "WORKERS": "4",
            "BIND": "[::1]:9000",
            "HOST_URL": "https://example.org/",
            "SESSION_IDLE_TIMEOUT": "1.5",
            "REUSE_PORT": "0",
            "ACCESS_LOG": "true",
            "LOG_LEVEL": "WARNING",
        }
    )

    assert settings.workers == 4
    assert settings.address == ("::1", 9000)
    assert settings.host_url == "https://example.org"
    assert settings.session_idle_timeout == 1.5
    assert not settings.reuse_port
    assert settings.access_log
    assert settings.log_level == "warning"


def test_the_page_is_served_by_one_worker_unless_told_otherwise() -> None:
    assert Settings.from_environ({"ENABLE_WEB_INTERFACE": "true"}).workers == 1
    assert Settings.from_environ({"ENABLE_WEB_INTERFACE": "true", "WORKERS": "3"}).workers == 3
    assert Settings.from_environ({"ENABLE_WEB_INTERFACE": "false"}).workers == 2


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environ({"WORKERS": "", "BIND": "", "HOST_URL": ""}) == Settings.from_environ({})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("WORKERS", "0", "a whole number of at least 1"),
        ("WORKERS", "two", "a whole number of at least 1"),
        ("MAX_CONCURRENT_ENVS", "-5", "a whole number of at least 1"),
        ("BACKLOG", "1.5", "a whole number of at least 1"),
        ("MAX_WAIT_SECONDS", "nan", "a number of seconds of at least 0"),
        ("MAX_STEPS_IN_FLIGHT", "-1", "a whole number of at least 0"),
        ("SESSION_IDLE_TIMEOUT", "-1", "a number of seconds of at least 0"),
        ("GRACEFUL_TIMEOUT", "inf", "a number of seconds of at least 0"),
        ("BIND", "8000", "HOST:PORT with a port of 1 to 65535"),
        ("BIND", "localhost:0", "HOST:PORT with a port of 1 to 65535"),
        ("BIND", "localhost:65536", "HOST:PORT with a port of 1 to 65535"),
        ("HOST_URL", "example.org", "a URL such as http://host:8000"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error, critical"),
        ("REUSE_PORT", "maybe", "0 or 1"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({name: value})

    assert str(raised.value) == f"{name}={value}: must be {allowed}"
