"""What each fault does to a deployment: whom it picks, what happens then, and how it is taken back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from threading import Event

from loadtests.deployments.breakable import Breakable, NotPossibleError
from loadtests.faults.plan import Fault
from reports.page.words import count


@dataclass
class Effect:
    """A fault whose victims are picked, before anything happens to them."""

    target: str | None
    """As run.json names it; None where `act` will tell."""
    words: str
    """What was done, in the past tense: `killed worker 123 of replica-1`."""
    act: Callable[[], str | None]
    """Does it, and returns the target where that was not known before."""
    take_back: Callable[[], None] | None = None
    words_after: str = ""
    """What was done when it was taken back."""
    takes_time: bool = False
    """Whether `act` takes seconds."""


def effect_of(fault: Fault, deployment: Breakable, spared: set[str], chance: Random, over: Event) -> Effect:
    """Picks whom the fault strikes, none of the hosts in `spared`.

    What takes its time is cut short when `over` is set. Raises NotPossibleError where there is nobody to
    strike.
    """
    names = deployment.topology()["names"]
    alive = deployment.running()
    running = [host for host in deployment.hosts() if host in alive - deployment.put_down()]
    hosts = [host for host in running if host not in spared]

    def name(host: str) -> str:
        return names.get(host, host)

    def pick() -> str:
        if not hosts:
            raise NotPossibleError("no replica is running that could be struck")
        return chance.choice(hosts)

    match fault.name:
        case "kill-worker":
            return _kill_worker(deployment, pick(), chance, name)
        case "kill-replica":
            host = pick()
            return Effect(host, f"killed {name(host)}", _doing(deployment.kill_replica, host))
        case "pause-replica":
            host = pick()
            return Effect(
                host,
                f"paused {name(host)}",
                _doing(deployment.pause_replica, host),
                take_back=partial(deployment.resume_replica, host),
                words_after=f"resumed {name(host)}",
            )
        case "restart-nginx":
            return Effect("nginx", "restarted nginx", _doing(deployment.restart_nginx), takes_time=True)
        case "add-replica":
            return Effect(None, "added a replica", partial(deployment.add_replica, over), takes_time=True)
        case "remove-replica":
            if len(hosts) < 2:
                raise NotPossibleError("it would have been the last replica")
            host = pick()
            return Effect(
                host,
                f"removed {name(host)}",
                _doing(deployment.remove_replica, host, over),
                takes_time=True,
            )
        case "slow-network":
            return _slow_network(deployment, running, fault.delay_s)


def _kill_worker(deployment: Breakable, host: str, chance: Random, name: Callable[[str], str]) -> Effect:
    workers = deployment.workers_of(host)
    if not workers:
        raise NotPossibleError(f"{name(host)} has no worker processes: one process serves alone")
    pid = chance.choice(workers)
    return Effect(
        f"{host} {pid}",
        f"killed worker {pid} of {name(host)}",
        _doing(deployment.kill_worker, host, pid),
    )


def _slow_network(deployment: Breakable, hosts: list[str], delay_s: float) -> Effect:
    slowed: list[str] = []

    def act() -> None:
        for host in hosts:
            deployment.slow_network(host, delay_s)
            slowed.append(host)

    def take_back() -> None:
        while slowed:
            deployment.restore_network(slowed.pop())

    if not hosts:
        raise NotPossibleError("no replica is running whose network could be slowed down")
    words = f"delayed what {count(len(hosts), 'replica')} send by {delay_s * 1000:g} ms"
    return Effect(", ".join(hosts), words, act, take_back, "the network is as before")


def _doing(act: Callable[..., None], *arguments: object) -> Callable[[], None]:
    return partial(act, *arguments)
