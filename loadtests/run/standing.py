"""A deployment that stays up until it is taken down: `make up` and `make down`."""

import time

from rich.console import Console

from loadtests.commands import invocation
from loadtests.deployments import DeploymentConfig
from loadtests.deployments.choose import choose
from loadtests.deployments.remains import remove_remains, take_down_running
from loadtests.terminal import end_on_termination, progress


def bring_up(target: str, config: DeploymentConfig, console: Console) -> int:
    """Brings the target up and leaves it running. Raises LoadTestError, and then nothing is left running."""
    say = progress(console)
    for line in remove_remains():
        say(line)
    end_on_termination()
    deployment, why = choose(target, config, "up", progress=say)
    say(why)
    start = time.monotonic()
    deployment.up()
    say(f"up after {time.monotonic() - start:.1f} s: {config.replicas} × {config.workers} workers")
    console.print(f"{deployment.url} ({invocation('down')} ends it)", soft_wrap=True)
    return 0


def take_down(console: Console) -> int:
    """Takes down what `up` left running, and whatever crashed commands left behind."""
    say = progress(console)
    lines = remove_remains() + take_down_running()
    for line in lines or ["nothing is up"]:
        say(line)
    return 0
