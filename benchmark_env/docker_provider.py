"""The container that `BenchmarkEnv.from_docker_image` starts."""

import atexit
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import httpx
from openenv.core.containers.runtime import ContainerProvider

LABEL: Final = "org.openenv.benchmark-env.client"
CONTAINER_PORT: Final = 8000
READY_SECONDS: Final = 120.0
STOP_SECONDS: Final = 5
"""What a server may take to end what is in flight before it is killed."""
HINTS: Final = {
    "unable to find image": "Is the image built? See benchmark_env/README.md.",
    "connect to the docker": "Does a Docker engine run, and is DOCKER_HOST right where it is set?",
}
"""What to look at, by what docker says."""


class DockerProvider(ContainerProvider):
    """Runs one container on this machine, and removes it for certain.

    Unlike OpenEnv's `LocalDockerProvider` it publishes the port on 127.0.0.1 only and lets Docker choose it,
    sees that a container has ended instead of waiting for it, and removes the container also after Ctrl-C,
    after an exception, and where the program ends without `close()`. What a killed program leaves bears the
    label `LABEL`.
    """

    def __init__(self) -> None:
        self._name = f"benchmark-env-{uuid4().hex[:12]}"
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._docker_run: subprocess.Popen[str] | None = None
        self._removed = False
        self._ready_seconds = READY_SECONDS

    def start_container(
        self,
        image: str,
        port: int | None = None,
        env_vars: dict[str, str] | None = None,
        wait_timeout: float = READY_SECONDS,
    ) -> str:
        """Start the image, and return the URL that its server will answer at.

        `port` is the one on this machine, chosen by Docker where not given; `wait_timeout` is in seconds, for
        `wait_for_ready`. Raises RuntimeError where Docker cannot start it.
        """
        self._ready_seconds = wait_timeout
        self._run(image, f"--publish=127.0.0.1:{port or ''}:{CONTAINER_PORT}", env_vars or {})
        address = _docker("port", self._name, f"{CONTAINER_PORT}/tcp").stdout.split()
        if not address:
            raise RuntimeError(f"{image}: the container ended at once{self._how_it_ended()}")
        return f"http://{address[0]}"

    def wait_for_ready(self, base_url: str, timeout_s: float | None = None) -> None:
        """Return as soon as the server says that it is healthy.

        Raises RuntimeError where the container ends before that, TimeoutError after `timeout_s` seconds.
        """
        seconds = self._ready_seconds if timeout_s is None else timeout_s
        give_up = time.monotonic() + seconds
        with httpx.Client(trust_env=False, timeout=2.0) as client:
            while time.monotonic() < give_up:
                try:
                    if client.get(f"{base_url}/health").status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                if self._ended.wait(0.1) or not self._is_running():
                    raise RuntimeError(
                        f"the container {self._name} ended before it was ready{self._how_it_ended()}"
                    )
        raise TimeoutError(
            f"the container {self._name} was not ready after {seconds:g} s; allow more with wait_timeout=…\n"
            f"{self._last_words()}"
        )

    def stop_container(self) -> None:
        """Stop and remove the container, if there is one. May be called at any time, and again."""
        self._ended.set()
        with self._lock:
            if self._docker_run is None or self._removed:
                return
            if self._docker_run.poll() is None:
                self._docker_run.terminate()
                self._docker_run.wait()
            started = self._docker_run.returncode == 0
            if started:
                _docker("stop", "-t", str(STOP_SECONDS), self._name)
            # Also where it did not start: docker keeps what it made before it failed.
            removal = _docker("rm", "--force", "--volumes", self._name)
            if started and removal.returncode and "No such container" not in removal.stderr:
                raise RuntimeError(f"the container {self._name} is still there: {removal.stderr.strip()}")
            self._removed = True
            atexit.unregister(self._stop_at_exit)

    def _stop_at_exit(self) -> None:
        try:
            self.stop_container()
        except (OSError, RuntimeError) as error:
            print(error, file=sys.stderr)

    def _run(self, image: str, publish: str, env_vars: Mapping[str, str]) -> None:
        with self._lock:
            if self._ended.is_set():
                raise RuntimeError("stopped before it started")
            try:
                self._docker_run = subprocess.Popen(
                    [
                        # `env` is not to say which docker is meant.
                        shutil.which("docker") or "docker",
                        "run",
                        "--detach",
                        # Without it a server told to stop while it starts does not listen.
                        "--init",
                        f"--name={self._name}",
                        f"--label={LABEL}",
                        publish,
                        # Their values are none of the business of whoever lists processes.
                        *(f"--env={name}" for name in env_vars),
                        image,
                    ],
                    env={**os.environ, **{name: str(value) for name, value in env_vars.items()}},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    # Ctrl-C must not end it half-way: it is `stop_container` that does.
                    start_new_session=True,
                )
            except OSError as error:
                raise RuntimeError(
                    f"docker cannot be run ({error.strerror}): install it, or connect with base_url=… to a "
                    "server that runs already"
                ) from None
            atexit.register(self._stop_at_exit)
        _, errors = self._docker_run.communicate()
        if self._docker_run.returncode:
            self.stop_container()
            hints = [f"\n{hint}" for said, hint in HINTS.items() if said in errors.lower()]
            raise RuntimeError(f"docker run {image} failed: {errors.strip()}{''.join(hints)}")

    def _is_running(self) -> bool:
        return _docker("inspect", "--format", "{{.State.Running}}", self._name).stdout.strip() == "true"

    def _how_it_ended(self) -> str:
        code = _docker("inspect", "--format", "{{.State.ExitCode}}", self._name).stdout.strip()
        return f", with exit code {code or 'unknown'}:\n{self._last_words()}"

    def _last_words(self) -> str:
        logs = _docker("logs", "--tail", "20", self._name)
        return (logs.stdout + logs.stderr).strip() or "(it printed nothing)"


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, start_new_session=True
    )
