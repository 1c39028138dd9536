"""A model hub on this machine: lists one model's files and serves them, whole, in parts, or until it stops."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

NAME = "maker/tiny-chat"
REVISION = "c" * 40


@dataclass
class Hub:
    """`asked` are the files that were fetched, with the first byte of each; `stops_at` bytes of a file it goes quiet,
    once, and `lies` sends other bytes than it promised."""

    folder: Path
    url: str = ""
    asked: list[tuple[str, int]] = field(default_factory=list)
    stops_at: int = 0
    lies: bool = False
    is_over: Event = field(default_factory=Event)

    def listed(self) -> dict[str, object]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {"id": NAME, "modelId": NAME, "sha": REVISION, "siblings": [self._entry(path) for path in files]}

    def _entry(self, path: Path) -> dict[str, object]:
        data = path.read_bytes()
        entry: dict[str, object] = {"rfilename": path.relative_to(self.folder).as_posix(), "size": len(data)}
        entry["blobId"] = sha1(b"blob %d\0" % len(data) + data).hexdigest()
        if path.suffix in {".safetensors", ".bin"}:
            entry["lfs"] = {"size": len(data), "sha256": sha256(data).hexdigest(), "pointerSize": 134}
        return entry


@contextmanager
def open_hub(folder: Path) -> Iterator[Hub]:
    hub = Hub(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.startswith("/api/models/"):
                self._send(200, json.dumps(hub.listed()).encode(), "application/json")
            else:
                self._send_file(path.removeprefix(f"/{NAME}/resolve/{REVISION}/"))

        def _send_file(self, name: str) -> None:
            data = (hub.folder / name).read_bytes()
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            hub.asked.append((name, start))
            if hub.lies and name.endswith(".safetensors"):
                data = bytes(len(data))
            self._start = start
            self._total = len(data)
            self._send(206 if start else 200, data[start:], "application/octet-stream")

        def _send(self, status: int, data: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            if status == 206:
                self.send_header("Content-Range", f"bytes {self._start}-{self._total - 1}/{self._total}")
            self.end_headers()
            stop, hub.stops_at = (hub.stops_at, 0) if 0 < hub.stops_at < len(data) else (0, hub.stops_at)
            self.wfile.write(data[:stop] if stop else data)
            if stop:
                self.wfile.flush()
                hub.is_over.wait()
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            hub.is_over.set()
            server.shutdown()
