import subprocess

from loadtests.deployments.container_processes import LIST, workers

STAT = "{pid} ({name}) S {parent} 7 7 0 -1"


def listed(*processes: tuple[int, str, int], trackers: tuple[int, ...] = ()) -> str:
    stats = [STAT.format(pid=pid, name=name, parent=parent) for pid, name, parent in processes]
    return "\n".join([*stats, "", *(f"/proc/{pid}/cmdline" for pid in trackers), ""])


def test_workers_are_the_children_of_the_server_below_an_init() -> None:
    processes = [(1, "docker-init", 0), (7, "gunicorn", 1), (12, "gunicorn", 7), (14, "gunicorn", 7)]
    assert workers(listed(*processes, (40, "sh", 0), (41, "cat", 40))) == [12, 14]


def test_one_worker_is_no_init_s_server() -> None:
    assert workers(listed((1, "docker-init", 0), (7, "gunicorn", 1), (12, "gunicorn", 7))) == [12]
    assert workers(listed((1, "gunicorn", 0), (12, "gunicorn", 1))) == [12]


def test_a_process_that_serves_alone_has_no_workers() -> None:
    assert workers(listed((1, "docker-init", 0), (7, "uvicorn", 1))) == []
    assert workers(listed((1, "docker-init", 0), (7, "sh", 1), (8, "uvicorn", 7))) == []
    assert workers(listed((1, "uvicorn", 0))) == []


def test_a_resource_tracker_is_no_worker() -> None:
    processes = [(1, "sh", 0), (7, "uvicorn", 1), (8, "python", 7), (9, "python", 7), (10, "python", 7)]
    assert workers(listed(*processes, trackers=(8, 99))) == [9, 10]


def test_names_with_brackets_and_blanks_are_read_as_they_are() -> None:
    assert workers(listed((1, "a (b) c", 0), (7, "d) e", 1), (9, "f", 1))) == [7, 9]


def test_the_command_lists_processes_of_a_real_shell() -> None:
    printed = subprocess.run(["sh", "-c", LIST], capture_output=True, text=True, check=False).stdout
    stats, _, _ = printed.partition("\n\n")
    assert stats.startswith("1 (")
    assert "cat: " not in printed
