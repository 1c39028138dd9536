"""As much of a Kubernetes API server as `kubectl` needs for a switch: Services, Deployments, Jobs, and their states.

A real one cannot be had from a package registry; the client that speaks to this one is real. What is kept are plain
objects by their path; a Deployment is ready, and a Job done, as soon as it is written, unless the test says what fails.
"""

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]

_GROUPS = {
    "v1": [("services", "Service"), ("serviceaccounts", "ServiceAccount"), ("configmaps", "ConfigMap")],
    "apps/v1": [("deployments", "Deployment"), ("deployments/scale", "Scale")],
    "batch/v1": [("jobs", "Job")],
    "networking.k8s.io/v1": [("networkpolicies", "NetworkPolicy")],
    "policy/v1": [("poddisruptionbudgets", "PodDisruptionBudget")],
}
_KINDS = {name: kind for group in _GROUPS.values() for name, kind in group}
_NAMED = [name.removesuffix("/v1") for name in _GROUPS if name != "v1"]
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


class Cluster:
    """The objects, by the path they are reached at."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.writes: list[str] = []
        """What was written, in order: `PATCH deployments/parley-green`."""
        self.installed: list[str] = []
        """What the first installation wrote."""
        self.failing_images: set[str] = set()
        """Jobs of these fail."""
        self.unready_images: set[str] = set()
        """Processes of these never become ready."""
        self.failing_reads: set[str] = set()
        """Paths that are refused with 500, by their ends."""
        self.changed = threading.Condition()
        self.version = 0

    def keep(self, method: str, path: str, item: Object) -> Object:
        with self.changed:
            self.version += 1
            item.setdefault("metadata", {}).update(resourceVersion=str(self.version), namespace="default", uid=path)
            self._judge(item)
            self.objects[path] = item
            self.writes.append(f"{method} {'/'.join(path.split('/')[-2:])}")
            self.changed.notify_all()
        return item

    def version_of(self, path: str) -> str:
        return str(self.objects[path]["metadata"]["resourceVersion"])

    def remove(self, path: str) -> Object | None:
        with self.changed:
            self.version += 1
            self.writes.append(f"DELETE {'/'.join(path.split('/')[-2:])}")
            self.changed.notify_all()
            return self.objects.pop(path, None)

    def _judge(self, item: Object) -> None:
        """What the controllers would do of it."""
        kind, spec = item.get("kind"), item.get("spec", {})
        if kind not in ("Deployment", "Job"):
            return
        image = spec["template"]["spec"]["containers"][0]["image"]
        if kind == "Job":
            end = "Failed" if image in self.failing_images else "Complete"
            item["status"] = {"conditions": [{"type": end, "status": "True"}]}
            return
        count = 0 if image in self.unready_images else spec["replicas"]
        item["metadata"]["generation"] = self.version
        item["status"] = {
            "observedGeneration": self.version,
            "replicas": spec["replicas"],
            "updatedReplicas": spec["replicas"],
            "readyReplicas": count,
            "availableReplicas": count,
        }


def merged(old: Any, new: Any) -> Any:
    """A merge patch; the containers of a strategic one are matched by their name."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in (*old, *new) if not (name in new and new[name] is None) and not name.startswith("$")]
        return {name: merged(old.get(name), new[name]) if name in new else old[name] for name in names}
    if isinstance(old, list) and new and isinstance(new, list) and isinstance(new[0], dict):
        others = {item["name"]: item for item in new}
        return [merged(item, others.get(item["name"], {})) for item in old]
    return new


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at what was written."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if answer := _discovered(url.path):
            return self._answer(answer)
        if url.path.endswith(tuple(self.cluster.failing_reads)):
            return self._refuse(url.path, 500, "InternalError")
        if url.path.endswith("/scale"):
            return self._scale(url.path)
        if item := self.cluster.objects.get(url.path):
            return self._answer(item)
        if url.path.rpartition("/")[2] not in _KINDS:
            return self._refuse(url.path)
        if query.get("watch") in ("true", "1"):
            return self._watch(url.path, query)
        kind = _KINDS[url.path.rpartition("/")[2]]
        group = url.path.partition("/namespaces/")[0].removeprefix("/apis/").removeprefix("/api/")
        items = list(self._selected(url.path, query))
        metadata = {"resourceVersion": str(self.cluster.version)}
        return self._answer({"kind": f"{kind}List", "apiVersion": group, "metadata": metadata, "items": items})

    def do_POST(self) -> None:
        item = self._body()
        path = f"{urlsplit(self.path).path}/{item['metadata']['name']}"
        if path in self.cluster.objects:
            return self._refuse(path, 409, "AlreadyExists")
        self._answer(self.cluster.keep("POST", path, item), 201)

    def do_PATCH(self) -> None:
        path = urlsplit(self.path).path
        target = path.removesuffix("/scale")
        if target not in self.cluster.objects:
            return self._refuse(path)
        item = self.cluster.keep("PATCH", target, merged(self.cluster.objects[target], self._body()))
        return self._scale(path) if path.endswith("/scale") else self._answer(item)

    def do_PUT(self) -> None:
        path = urlsplit(self.path).path
        item, target = self._body(), path.removesuffix("/scale")
        if path.endswith("/scale"):
            item = merged(self.cluster.objects[target], {"spec": {"replicas": item["spec"].get("replicas", 0)}})
        elif target not in self.cluster.objects:
            return self._refuse(path)
        elif item["metadata"].get("resourceVersion", "") not in ("", self.cluster.version_of(target)):
            return self._refuse(path, 409, "Conflict")
        self.cluster.keep("PUT", target, item)
        return self._scale(path) if path.endswith("/scale") else self._answer(item)

    def do_DELETE(self) -> None:
        self._body()
        item = self.cluster.remove(urlsplit(self.path).path)
        return self._answer(item) if item else self._refuse(self.path)

    def _selected(self, path: str, query: dict[str, str]) -> Iterator[Object]:
        name = query.get("fieldSelector", "").partition("metadata.name=")[2]
        for place, item in list(self.cluster.objects.items()):
            if place.startswith(f"{path}/") and (not name or item["metadata"]["name"] == name):
                yield item

    def _watch(self, path: str, query: dict[str, str]) -> None:
        """Each change as it comes, until the client goes or two seconds pass without one."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        seen = int(query.get("resourceVersion") or 0)
        while True:
            with self.cluster.changed:
                if self.cluster.version <= seen and not self.cluster.changed.wait(2):
                    return
                known, seen = seen, self.cluster.version
                items = [
                    item for item in self._selected(path, query) if int(item["metadata"]["resourceVersion"]) > known
                ]
            for item in items:
                self.wfile.write(json.dumps({"type": "MODIFIED", "object": item}).encode() + b"\n")
                self.wfile.flush()

    def _scale(self, path: str) -> None:
        item = self.cluster.objects[path.removesuffix("/scale")]
        metadata = {name: item["metadata"][name] for name in ("name", "namespace", "resourceVersion")}
        spec = {"replicas": item["spec"]["replicas"]}
        self._answer(
            {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": spec}
        )

    def _body(self) -> Object:
        body: Object = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        return body

    def _refuse(self, path: str, code: int = 404, reason: str = "NotFound") -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
        name = urlsplit(path).path.rpartition("/")[2]
        message = {"NotFound": "not found", "AlreadyExists": "already exists", "Conflict": "was changed meanwhile"}
        self._answer(status | {"message": f'"{name}" {message[reason]}', "details": {"name": name}}, code)

    def _answer(self, value: Object, code: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _discovered(path: str) -> Object | None:
    """What kinds there are."""
    match path.strip("/").split("/"):
        case ["version"]:
            return {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _NAMED]}
        case ["api", "v1"]:
            return _resources("v1")
        case ["apis", group, "v1"]:
            return _resources(f"{group}/v1")
        case ["openapi", "v3"]:
            places = [_place(version) for version in _GROUPS]
            return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}
        case ["openapi", "v3", *place]:
            return _described(next(version for version in _GROUPS if _place(version) == "/".join(place)))
        case _:
            return None


def _place(version: str) -> str:
    return f"api/{version}" if version == "v1" else f"apis/{version}"


def _described(version: str) -> Object:
    """Says that fields are judged here: so the client asks for no schemas, and sends what it has."""
    paths = {}
    for name, kind in _GROUPS[version]:
        known = {"group": version.removesuffix("v1").removesuffix("/"), "version": "v1", "kind": kind}
        parameters = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
        patch = {"x-kubernetes-group-version-kind": known, "parameters": parameters, "responses": {}}
        paths[f"/{_place(version)}/namespaces/{{namespace}}/{name}/{{name}}"] = {"patch": patch}
    return {"openapi": "3.0.0", "info": {"title": version, "version": "v1"}, "paths": paths}


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(version: str) -> Object:
    resources = [
        {"name": name, "singularName": name.removesuffix("s"), "namespaced": True, "kind": kind, "verbs": _VERBS}
        | ({"group": "autoscaling", "version": "v1"} if kind == "Scale" else {})
        for name, kind in _GROUPS[version]
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


@contextmanager
def serving(cluster: Cluster) -> Generator[str, None, None]:
    """Its address, while it serves."""
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
