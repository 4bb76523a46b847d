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
"""How long a server may take to finish what is in flight before it is killed."""
HINTS: Final = {
    "unable to find image": "Is the image built? See benchmark_env/README.md.",
    "connect to the docker": "Is a Docker engine running, and is DOCKER_HOST right if it is set?",
}
"""What to check, by what docker says."""


class DockerProvider(ContainerProvider):
    """Runs one container on this machine, and makes sure that it is removed.

    Unlike OpenEnv's `LocalDockerProvider` it publishes the port on 127.0.0.1 only and lets Docker choose it,
    notices a container that has exited instead of waiting for it, and removes the container even after
    Ctrl-C, after an exception, and when the program ends without `close()`. Containers that a killed program
    leaves behind have the label `LABEL`.
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
        """Start the image, and return the URL at which its server will answer.

        `port` is the one on this machine, chosen by Docker if not given; `wait_timeout` is in seconds, for
        `wait_for_ready`. Raises RuntimeError if Docker cannot start it.
        """
        self._ready_seconds = wait_timeout
        self._run(image, f"--publish=127.0.0.1:{port or ''}:{CONTAINER_PORT}", env_vars or {})
        address = _docker("port", self._name, f"{CONTAINER_PORT}/tcp").stdout.split()
        if not address:
            raise RuntimeError(f"{image}: the container exited at once{self._how_it_ended()}")
        return f"http://{address[0]}"

    def wait_for_ready(self, base_url: str, timeout_s: float | None = None) -> None:
        """Return as soon as the server reports that it is healthy.

        Raises RuntimeError if the container exits before that, and TimeoutError after `timeout_s` seconds.
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
                        f"the container {self._name} exited before it was ready{self._how_it_ended()}"
                    )
        raise TimeoutError(
            f"the container {self._name} was not ready after {seconds:g} s; allow more with wait_timeout=…\n"
            f"{self._last_words()}"
        )

    def stop_container(self) -> None:
        """Stop and remove the container, if there is one. May be called at any time, and repeatedly."""
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
            # Even if it did not start: docker keeps what it created before it failed.
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
                        # Found here, because `env` may hold another PATH.
                        shutil.which("docker") or "docker",
                        "run",
                        "--detach",
                        # Without it, a server that is told to stop while starting does not listen.
                        "--init",
                        f"--name={self._name}",
                        f"--label={LABEL}",
                        publish,
                        # Only the names: whoever lists processes must not see the values.
                        *(f"--env={name}" for name in env_vars),
                        image,
                    ],
                    env={**os.environ, **{name: str(value) for name, value in env_vars.items()}},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    # Ctrl-C must not end it half-way: `stop_container` does that.
                    start_new_session=True,
                )
            except OSError as error:
                raise RuntimeError(
                    f"docker cannot be run ({error.strerror}): install it, or connect with base_url=… to a "
                    "running server"
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
