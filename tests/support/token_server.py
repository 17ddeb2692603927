#!/usr/bin/env python3
"""A token server as docker-registry's token authentication expects it, for tests.

usage: token_server.py ADDR:PORT KEY.pem CERT.pem USER PASSWORD

GET /token?service=S&scope=repository:NAME:ACTIONS with Basic credentials answers a JWT (ES256,
x5c) for exactly that scope, good for a minute; without or with other credentials: 401.
"""
import base64
import http.server
import json
import subprocess
import sys
import time
import urllib.parse

ADDR, KEY, CERT, USER, PASSWORD = sys.argv[1:]
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
PEM = "".join(line for line in open(CERT) if "-----" not in line).replace("\n", "")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(der):
    """openssl writes ASN.1 SEQUENCE{r, s}; a JWT wants r and s in 32 bytes each."""
    def integer(at):
        size = der[at + 1]
        return int.from_bytes(der[at + 2:at + 2 + size], "big"), at + 2 + size
    r, after = integer(2)
    s, _ = integer(after)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def jwt(claims):
    header = {"typ": "JWT", "alg": "ES256", "x5c": [PEM]}
    text = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY], input=text.encode(),
                         stdout=subprocess.PIPE, check=True).stdout
    return text + "." + b64(raw_signature(der))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path != "/token":
            return self.answer(404, {})
        if self.headers.get("Authorization") != BASIC:
            return self.answer(401, {"details": "who are you?"})
        query = urllib.parse.parse_qs(url.query)
        now = int(time.time())
        token = jwt({"iss": "moat-tests", "aud": query["service"][0], "sub": USER,
                     "iat": now, "nbf": now - 10, "exp": now + 60, "jti": str(now),
                     "access": [self.access(s) for s in query.get("scope", [])]})
        self.answer(200, {"token": token, "expires_in": 60})

    @staticmethod
    def access(scope):
        kind, rest = scope.split(":", 1)
        name, actions = rest.rsplit(":", 1)
        return {"type": kind, "name": name, "actions": actions.split(",")}

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


host, port = ADDR.rsplit(":", 1)
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
