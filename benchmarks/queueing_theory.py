"""Queues whose sojourn times are known: M/D/1 and M/M/c, first in, first out. Times are in seconds.

A sojourn is the time from an arrival until it has been served. Arrivals are Poisson, `rate` a second.
"""

import heapq
import math
from collections.abc import Callable, Sequence


def mean_of_md1(rate: float, service_s: float) -> float:
    """The mean sojourn in M/D/1 (Pollaczek 1930, Khinchine 1932)."""
    return service_s + rate * service_s**2 / (2 * (1 - _load(rate, service_s, 1)))


def chance_beyond_in_md1(rate: float, service_s: float, sojourn_s: float) -> float:
    """The probability of a longer sojourn in M/D/1 (Erlang 1909).

    P(wait ≤ t) = (1 - λD) Σ (λ (kD - t))^k e^(-λ (kD - t)) / k!, over whole k from 0 to t / D. Its terms
    alternate in sign: up to some 20 service times the sum is good to a millionth.
    """
    load, wait_s = _load(rate, service_s, 1), sojourn_s - service_s
    if wait_s < 0:
        return 1.0
    terms = []
    for k in range(math.floor(wait_s / service_s) + 1):
        exponent = rate * (k * service_s - wait_s)
        terms.append(exponent**k * math.exp(-exponent) / math.factorial(k))
    return 1 - (1 - load) * math.fsum(terms)


def erlang_c(rate: float, service_s: float, servers: int) -> float:
    """The probability that an arrival waits in M/M/c (Erlang 1917)."""
    offered, load = rate * service_s, _load(rate, service_s, servers)
    blocked = 1.0  # Erlang B, by its recursion over the servers.
    for server in range(1, servers + 1):
        blocked = offered * blocked / (server + offered * blocked)
    return blocked / (1 - load * (1 - blocked))


def mean_of_mmc(rate: float, service_s: float, servers: int) -> float:
    """The mean sojourn in M/M/c."""
    load = _load(rate, service_s, servers)
    return service_s + erlang_c(rate, service_s, servers) * service_s / (servers * (1 - load))


def chance_beyond_in_mmc(rate: float, service_s: float, servers: int, sojourn_s: float) -> float:
    """The probability of a longer sojourn in M/M/c: of an exponential service, after what an arrival waits.

    That is nothing, or with the probability of Erlang's C exponential of the rate cμ - λ.
    """
    waits, ends = erlang_c(rate, service_s, servers), 1 / service_s
    frees = servers * ends - rate
    served = math.exp(-ends * sojourn_s)
    if math.isclose(frees, ends, rel_tol=1e-6):
        both = (1 + ends * sojourn_s) * served
    else:
        both = (frees * served - ends * math.exp(-frees * sojourn_s)) / (frees - ends)
    return (1 - waits) * served + waits * both


def quantile(chance_beyond: Callable[[float], float], share: float, scale_s: float) -> float:
    """The sojourn that so large a share does not exceed; `scale_s` is any time of its order."""
    low, high = 0.0, scale_s
    while chance_beyond(high) > 1 - share:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if chance_beyond(middle) > 1 - share else (low, middle)
    return high


def sojourns(arrivals_s: Sequence[float], services_s: Sequence[float], servers: int) -> list[float]:
    """The sojourn of each arrival, in their order, given how long each is served (Kiefer, Wolfowitz 1955)."""
    free_at = [-math.inf] * servers
    found = []
    for arrival, service in zip(arrivals_s, services_s, strict=True):
        end = max(arrival, free_at[0]) + service
        heapq.heapreplace(free_at, end)
        found.append(end - arrival)
    return found


def _load(rate: float, service_s: float, servers: int) -> float:
    load = rate * service_s / servers
    if not 0 <= load < 1:
        raise ValueError(f"{rate:g} arrivals/s of {service_s:g} s each are too many for {servers} servers")
    return load
