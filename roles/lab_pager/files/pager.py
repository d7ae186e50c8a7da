#!/usr/bin/python3
"""The person on call, for a lab: keeps what is posted to it, with the time.

pager.py ADDRESS PORT

POST /ANYTHING                one line of JSON is kept: at_ns (UTC), path, body
GET  /messages?after_ns=N     the lines after that moment
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

LARGEST = 1 << 20  # bytes of one message
KEPT = 20_000  # messages

FILE = Path(os.environ["STATE_DIRECTORY"]) / "messages.jsonl"
LOCK = threading.Lock()


def keep(path, body):
    line = {"at_ns": time.time_ns(), "path": path, "body": body}
    with LOCK, FILE.open("a") as file:
        file.write(json.dumps(line) + "\n")


def after(moment_ns):
    with LOCK:
        lines = FILE.read_text().splitlines() if FILE.exists() else []
        if len(lines) > KEPT:
            fresh = FILE.with_suffix(".new")
            fresh.write_text("\n".join(lines[-KEPT // 2 :]) + "\n")
            fresh.replace(FILE)
    return [line for line in lines if json.loads(line)["at_ns"] > moment_ns]


class Handler(BaseHTTPRequestHandler):
    timeout = 10

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        size = self.headers.get("Content-Length", "")
        if not size.isdigit() or int(size) > LARGEST:
            return self.answer(413, "")
        text = self.rfile.read(int(size)).decode(errors="replace")
        try:
            keep(self.path, json.loads(text))
        except ValueError:
            keep(self.path, text)
        return self.answer(200, "")

    def do_GET(self):
        place = urlsplit(self.path)
        moment = parse_qs(place.query).get("after_ns", ["0"])[0]
        if place.path != "/messages" or not moment.isdigit():
            return self.answer(404, "")
        return self.answer(200, "".join(f"{line}\n" for line in after(int(moment))))

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
