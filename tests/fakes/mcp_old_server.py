"""A server of tools that speaks the protocol of 2025 and is made with no SDK: over its input and output.

`stubborn` as an argument: it neither ends with its input nor when it is told to; `child`: it starts one that does so.
`mute`: it never answers.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

TOOLS = [
    {"name": name, "description": f"Tells: {name}.", "inputSchema": {"type": "object", "properties": {}}}
    for name in ("pid", "child", "refused", "malformed", "server_error")
]


def answer(request: dict[str, Any], child: int) -> dict[str, Any]:
    match request["method"], request.get("params", {}).get("name"):
        case "initialize", _:
            info = {"name": "old", "version": "1"}
            return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}}
        case "tools/list", _:
            start = int(request.get("params", {}).get("cursor", 0))  # two on a page
            more = {"nextCursor": str(start + 2)} if start + 2 < len(TOOLS) else {}
            return {"result": {"tools": TOOLS[start : start + 2], **more}}
        case "tools/call", "pid":
            return {"result": {"content": [{"type": "text", "text": str(os.getpid())}]}}
        case "tools/call", "child":
            return {"result": {"content": [{"type": "text", "text": str(child)}]}}
        case "tools/call", "refused":
            return {"error": {"code": -32603, "message": "not\x07 today"}}
        case "tools/call", "server_error":
            return {"error": {"code": -32000, "message": "the server's own"}}
        case "tools/call", "malformed":
            return {"result": {"content": "words without a block"}}
        case _:
            return {"error": {"code": -32601, "message": "no such method"}}


def main() -> None:
    child = 0
    if "child" in sys.argv:
        ended = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", ended]).pid
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request and "mute" not in sys.argv:
            print("a line that is no message")
            print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **answer(request, child)}), flush=True)
    while "stubborn" in sys.argv:
        time.sleep(1)


if __name__ == "__main__":
    main()
