"""Servers that this project did not write, for the tests of loads on any environment."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from loadtests.deployments import nginx
from tests.certificates import make_certificate
from tests.conftest import ROOT, WITHOUT_GRADIO, free_port

TOKEN = "sesame-0123456789abcdef"
"""What the private server wants as `Authorization: Bearer …`."""

_PRIVATE = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream servers {{ {servers} }}
  server {{
    listen 127.0.0.1:{port} {tls};
    {certificate}
    location / {{
      if ($http_authorization != "Bearer {token}") {{ return 401 "$http_authorization does not open"; }}
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      add_header X-Upstream $upstream_addr always;
    }}
  }}
}}
"""


@contextmanager
def serving(app: str, folder: Path = ROOT) -> Iterator[str]:
    """Serves an app with uvicorn; gives its URL."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port)]
    with running([*command, "--log-level", "warning"], folder):
        wait_for(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def private_front(folder: Path, urls: Sequence[str], *, tls: bool) -> Iterator[str]:
    """An nginx that lets in who knows TOKEN, to several servers; its certificate is in certificate.pem."""
    port = free_port()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    if tls:
        make_certificate(folder)
    (folder / "nginx.conf").write_text(
        _PRIVATE.format(
            folder=folder,
            servers=" ".join(f"server {url.removeprefix('http://')};" for url in urls),
            port=port,
            tls="ssl" if tls else "",
            certificate=f"ssl_certificate {certificate}; ssl_certificate_key {key};" if tls else "",
            token=TOKEN,
        )
    )
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    with running(nginx.command(folder / "nginx.conf"), folder):
        wait_for(url)
        yield url


@contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[None]:
    with subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": WITHOUT_GRADIO}) as process:
        try:
            yield
        finally:
            process.terminate()


def wait_for(url: str) -> None:
    """Waits until something answers, whatever it says."""
    for _ in range(1200):
        try:
            httpx.get(f"{url}/health", verify=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing came up at {url}")
