"""The processes of a container as it numbers them itself, found with no more than a shell."""

from collections.abc import Iterator

LIST = "{ cat /proc/[0-9]*/stat; echo; grep -la resource_tracker /proc/[0-9]*/cmdline; } 2>/dev/null"
"""Prints what `workers` reads; for sh, whose own processes come and go meanwhile."""
_ONLY_WAIT = {"docker-init", "tini", "sh", "dash", "bash"}
_FIRST = 1


def workers(listed: str) -> list[int]:
    """The pids of the worker processes, given what LIST printed; empty where one process serves alone.

    They are the children of the server: the first process, or its child where that only waits for it, as an
    init or a shell does. Python's resource tracker is a child too, but serves nobody.
    """
    stats, _, helpers = listed.partition("\n\n")
    trackers = {int(line.split("/")[2]) for line in helpers.splitlines() if line.startswith("/proc/")}
    names, parents = {}, {}
    for pid, name, parent in _processes(stats):
        if pid not in trackers:
            names[pid], parents[pid] = name, parent

    def children(of: int) -> list[int]:
        return sorted(pid for pid, parent in parents.items() if parent == of)

    server = _FIRST
    while len(inner := children(server)) == 1 and (names[server] in _ONLY_WAIT or children(inner[0])):
        (server,) = inner
    return children(server)


def _processes(stats: str) -> Iterator[tuple[int, str, int]]:
    """Pid, name and parent's pid of each line of /proc/PID/stat."""
    for line in stats.splitlines():
        pid, _, rest = line.partition(" (")
        name, bracket, fields = rest.rpartition(") ")
        if bracket:
            yield int(pid), name, int(fields.split()[1])
