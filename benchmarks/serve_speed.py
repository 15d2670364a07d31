"""How soon `conceptmap serve` explains a note, and what 50 requests at once cost it.

    python benchmarks/serve_speed.py

Starts the server with the embedded default and asks it over a loopback connection, as the page does: a note of 400
words, warm, with its words' own nearest concepts; then 50 different ones at once. Prints seconds and the most memory.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NOTES = Path(__file__).parents[1] / "examples" / "notes"
CLI = "import sys; from conceptmap.cli import main; sys.exit(main(sys.argv[1:]))"
WORDS, AT_ONCE = 400, 50


def asked(port: int, path: str, body: object = None) -> dict[str, object]:
    """The answer to a request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as reply:
        answer: dict[str, object] = json.load(reply)
    return answer


def notes() -> list[str]:
    """Texts of 400 words, cut out of the example notes one after the other at different places."""
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted(NOTES.glob("*.txt"))).split(" ")
    return [" ".join(words[at : at + WORDS]) for at in range(0, 50 * AT_ONCE, 50)]


def memory(pid: int) -> int:
    """Most memory that a process has held, in MiB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def main() -> None:
    """Measures and prints."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", CLI, "serve", "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        began = time.perf_counter()
        while True:
            try:
                asked(port, "/api/health")
                break
            except (urllib.error.URLError, OSError):
                if server.poll() is not None:
                    sys.exit("the server ended")
                time.sleep(0.1)
        print(f"ready after {time.perf_counter() - began:.1f} s, {memory(server.pid):,} MiB")
        texts, times = notes(), []
        for text in texts[:8]:
            began = time.perf_counter()
            asked(port, "/api/annotate", {"text": text, "html": True})
            times.append(time.perf_counter() - began)
        print(f"a note of {WORDS} words: {statistics.median(times[2:]):.2f} s (first {times[0]:.2f} s)")
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda text: asked(port, "/api/annotate", {"text": text}), texts))
        right = sum(one["text"] == text for one, text in zip(found, texts, strict=True))
        took = time.perf_counter() - began
        print(f"{AT_ONCE} at once: {right} answered, {took:.1f} s in all, {memory(server.pid):,} MiB")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
