#!/usr/bin/env python3
"""Stands between a client and a server and misbehaves on request, for tests.

usage: middle.py --listen ADDR:PORT [--to ADDR:PORT] [--map NAME=ADDR:PORT]...
                 [--rate BYTES_PER_SECOND] [--cut-after BYTES] [--cuts N] [--busy N]

With --to it is a reverse proxy.  Without, a forward proxy (absolute URIs), where --map tells the
address of names that nobody else can resolve.  --rate slows bodies down, --cut-after closes the
connection after so many bytes of a body, --cuts times in all, --busy answers the first N requests
for blobs with 429 and Retry-After: 1.

One line per request on stdout: METHOD PATH RANGE STATUS BYTES (RANGE is "-" without the header).
"""
import argparse
import http.client
import http.server
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("--listen", required=True)
parser.add_argument("--to")
parser.add_argument("--map", action="append", default=[])
parser.add_argument("--rate", type=int, default=0)
parser.add_argument("--cut-after", type=int, default=0)
parser.add_argument("--cuts", type=int, default=0)
parser.add_argument("--busy", type=int, default=0)
args = parser.parse_args()
names = dict(m.split("=", 1) for m in args.map)

HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "te", "upgrade"}
CHUNK = 16384


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        where, path = self.target()
        if args.busy and "/blobs/" in path:
            args.busy -= 1
            return self.answer_busy(path)
        upstream = http.client.HTTPConnection(where, timeout=30)
        # Go's clients send several Accept lines; one with commas means the same.
        headers = {k: ", ".join(self.headers.get_all(k)) for k in set(self.headers.keys())
                   if k.lower() not in HOP}
        try:
            upstream.request(self.command, path, headers=headers)
            self.relay(upstream.getresponse(), path)
        except OSError:
            self.close_connection = True  # the client sees a broken connection, as through a router
        finally:
            upstream.close()

    do_HEAD = do_GET

    def target(self):
        url = urllib.parse.urlparse(self.path)
        if args.to:
            return args.to, self.path
        path = url.path + ("?" + url.query if url.query else "")
        return names.get(url.netloc, url.netloc), path

    def answer_busy(self, path):
        self.send_response(429)
        self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.log(path, 429, 0)

    def relay(self, response, path):
        self.send_response(response.status)
        for key, value in response.getheaders():
            if key.lower() not in HOP:
                self.send_header(key, value)
        self.end_headers()
        sent = 0
        while self.command != "HEAD" and (data := response.read(CHUNK)):
            self.wfile.write(data)
            sent += len(data)
            if args.rate:
                time.sleep(len(data) / args.rate)
            if args.cut_after and args.cuts and sent >= args.cut_after:
                args.cuts -= 1
                self.close_connection = True
                break
        self.log(path, response.status, sent)

    def log(self, path, status, sent):
        print(self.command, path, self.headers.get("Range", "-"), status, sent, flush=True)

    def log_message(self, *_):
        pass


host, port = args.listen.rsplit(":", 1)
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
