#!/usr/bin/python3
"""Answers 503 with Retry-After to the first requests for each path, then hands it to nginx (X-Accel-Redirect).

usage: flaky.py SOCKET REFUSALS RETRY_AFTER_SECONDS
"""
import http.server
import os
import socketserver
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    lock = threading.Lock()
    refused = {}
    refusals = int(sys.argv[2])
    retry_after = sys.argv[3]

    def do_GET(self):
        with self.lock:
            seen = self.refused.get(self.path, 0)
            if self.command == "GET":
                self.refused[self.path] = seen + 1
        if seen < self.refusals:
            self.send_response(503)
            self.send_header("Retry-After", self.retry_after)
            self.send_header("Content-Length", "5")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"busy\n")
            return
        self.send_response(200)
        self.send_header("X-Accel-Redirect", "/internal" + self.path)
        self.end_headers()

    do_HEAD = do_GET

    def address_string(self):
        return "nginx"

    def log_message(self, *arguments):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    path = sys.argv[1]
    if os.path.exists(path):
        os.unlink(path)
    Server(path, Handler).serve_forever()


main()
