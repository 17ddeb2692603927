#!/usr/bin/env python3
"""usage: crash.py URL LEDGER [check]

Clients of a registry (http://HOST:PORT or https) that is going to be killed. First everything that LEDGER says was
acknowledged is asked for; then, unless only a check was wanted, several clients push, tag and delete until the
connection breaks, and what they were told is added to LEDGER. Exit status 1 at a wrong answer."""
import http.client
import json
import os
import random
import sys
import threading

sys.dont_write_bytecode = True
from soak import ask, connect, digest, need, push_image    # noqa: E402

CLIENTS = 4
TAGS = 10       # of each client: they are moved and deleted often


class Ledger:
    """What may be found under each path: a list, as the last request may have been done or not."""

    def __init__(self, path):
        self.path, self.lock = path, threading.Lock()
        self.states = json.load(open(path)) if os.path.exists(path) else {}

    def trying(self, path, state):
        with self.lock:
            self.states[path] = [*self.states.get(path, [None])[-1:], state]

    def done(self, path):
        with self.lock:
            self.states[path] = self.states[path][-1:]

    def save(self):
        with open(self.path, "w") as f:
            json.dump(self.states, f)


def check(address, ledger):
    conn = connect(address)
    for path, states in ledger.states.items():
        status, _, body = ask(conn, "GET", path)
        found = digest(body) if status == 200 else None if status == 404 else status
        if found not in states:
            raise AssertionError(f"{path}: {found}, not one of {states}")
        ledger.states[path] = [found]
    return len(ledger.states)


def push(address, number, ledger):
    rng, repo = random.Random(), f"crash/c{number}"
    conn = connect(address)
    while True:
        at = f"/v2/{repo}/manifests/t{rng.randrange(TAGS)}"
        if rng.random() < 0.3:
            ledger.trying(at, None)
            status = ask(conn, "DELETE", at)[0]
            need(status in (202, 404), True, f"DELETE {status}")
            ledger.done(at)
            continue
        tag = at.rsplit("/", 1)[1]
        m, _, d, _ = push_image(conn, repo, rng, tag, lambda m, at=at: ledger.trying(at, m))
        ledger.done(at)
        for path, state in ((f"/v2/{repo}/manifests/{m}", m), (f"/v2/{repo}/blobs/{d}", d)):
            ledger.trying(path, state)
            ledger.done(path)


def run(address, number, ledger, wrong):
    try:
        push(address, number, ledger)
    except (OSError, http.client.HTTPException):
        pass                    # it was killed
    except AssertionError as e:
        wrong.append(e)


def main():
    address, ledger, wrong = sys.argv[1], Ledger(sys.argv[2]), []
    print("checked", check(address, ledger), flush=True)
    if len(sys.argv) > 3:
        return 0
    threads = [threading.Thread(target=run, args=(address, i, ledger, wrong)) for i in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ledger.save()
    for e in wrong:
        print(e, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
