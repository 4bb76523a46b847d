"""A hub on loopback that takes what `openenv push` uploads, over the same HTTP calls as huggingface.co."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER = "somebody"
TOKEN = "hf_stand_in"


@dataclass
class Space:
    private: bool
    sdk: str
    files: dict[str, bytes]


@dataclass
class Hub:
    url: str
    spaces: dict[str, Space] = field(default_factory=dict)
    received: list[tuple[str, Space]] = field(default_factory=list)
    """Every upload: the name of its space, and the space with the files of this upload alone."""
    unknown_calls: list[str] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        """What makes huggingface_hub speak to this hub as `USER`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }


@contextmanager
def stand_in_hub() -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    _Handler.hub = hub
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/whoami-v2":
            self._answer(200, {"type": "user", "name": USER, "orgs": [], "auth": {"type": "access_token"}})
        else:
            self._not_known()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            card = json.loads(body)["content"].split("---\n")[1]
            missing = [key for key in ("title:", "sdk: docker", "colorFrom:", "emoji:") if key not in card]
            self._answer(
                400 if missing else 200, {"errors": [{"message": key} for key in missing], "warnings": []}
            )
        elif match := re.fullmatch(r"/api/spaces/([^/]+/[^/]+)/preupload/main", self.path):
            self._in_space(match[1], self._preupload, body)
        elif match := re.fullmatch(r"/api/spaces/([^/]+/[^/]+)/commit/main", self.path):
            self._in_space(match[1], self._commit, body)
        else:
            self._not_known()

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted.get('organization') or USER}/{wanted['name']}"
        url = f"{self.hub.url}/spaces/{name}"
        if name in self.hub.spaces:
            self._answer(409, {"error": "You already created this space", "url": url})
            return
        private = wanted.get("private") or wanted.get("visibility") == "private"
        self.hub.spaces[name] = Space(bool(private), wanted["sdk"], {})
        self._answer(200, {"url": url, "name": name, "id": name})

    def _in_space(self, name: str, act: Any, body: bytes) -> None:
        if space := self.hub.spaces.get(name):
            act(name, space, body)
        else:
            self._answer(404, {"error": "Repository not found"})

    def _preupload(self, _: str, __: Space, body: bytes) -> None:
        files = json.loads(body)["files"]
        self._answer(
            200,
            {
                "files": [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for each in files
                ]
            },
        )

    def _commit(self, name: str, space: Space, body: bytes) -> None:
        files = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file" and value["encoding"] == "base64":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] != "header":
                self._answer(400, {"error": f"{line['key']} is not known here"})
                return
        # The next upload finds no space again, so that each one shows what it asked for.
        del self.hub.spaces[name]
        self.hub.received.append((name, Space(space.private, space.sdk, files)))
        oid = hashlib.sha1(body).hexdigest()
        url = f"{self.hub.url}/spaces/{name}/commit/{oid}"
        self._answer(200, {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

    def _not_known(self) -> None:
        self.hub.unknown_calls.append(f"{self.command} {self.path}")
        self._answer(404, {"error": "not known here"})

    def _answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
