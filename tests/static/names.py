#!/usr/bin/env python3
"""usage: names.py SOURCE-DIR BUILD-DIR [--print | --fix]

Names that others rely on: verbs, options, exit status, JSON keys, metrics, configuration keys, log events.
They are read from the built programs, the manual pages and the sources, and compared with names.txt, which
holds one a line. A name that is gone or has another type fails; so does one that is not in the list yet.
--print prints what was found; --fix writes names.txt.
"""
import itertools
import os
import re
import subprocess
import sys
import tempfile

HEAD = """\
# Names that others rely on: scripts, programs, dashboards, files of operators. tests/static/names.py compares.
# A new name goes in with `tests/static/names.py . build --fix` and a line in CHANGELOG.md, in the same commit.
# A name is taken out, or its type changed, only on purpose: with a CHANGELOG line that says what to do instead.
"""
SOURCE, BUILD = sys.argv[1], sys.argv[2]
HERE = os.path.dirname(os.path.abspath(__file__))


def run(*command):
    return subprocess.run([os.path.join(BUILD, "bin", command[0]), *command[1:]],
                          capture_output=True, text=True, check=False)


def page(name):
    with open(os.path.join(SOURCE, "docs/man", name), encoding="utf-8") as file:
        return file.read()


def sources(*folders):
    """Each C file of these folders, on one line."""
    listed = subprocess.run(["git", "ls-files", "--", *(f"{f}/*.c" for f in folders)], cwd=SOURCE,
                            capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        with open(os.path.join(SOURCE, name), encoding="utf-8") as file:
            yield re.sub(r"\s+", " ", file.read())


def verbs():
    text = run("moat", "help").stdout
    listed = re.search(r"\ncommands:\n(.*?)\n\n", text, re.S).group(1)
    return [re.split(r"\s{2,}| \[", line.strip())[0] for line in listed.splitlines()]


def options():
    """A row: verb, option, what its value is called."""
    flag = re.compile(r"^  --([a-z-]+)( [A-Z]+)?", re.M)
    common = set(flag.findall(run("moat", "help").stdout))
    yield from (f"option moat --{name}{value}" for name, value in common)
    for verb in verbs():
        if verb in ("help", "version"):
            continue
        # The help of a word is that of each verb that begins with it.
        text = next(part for part in run("moat", "help", verb.split()[0]).stdout.split("\nmoat ")
                    if part.removeprefix("moat ").startswith(verb + ":"))
        yield from (f"option {verb} --{name}{value}" for name, value in set(flag.findall(text)) - common)
    moatd = run("moatd", "--help").stdout
    yield from (f"option moatd --{name}" for name in re.findall(r"--([a-z-]+)", moatd))


def exit_statuses():
    text = re.search(r"\nexit status: (.*)", run("moat", "help").stdout, re.S).group(1)
    told = dict(re.findall(r"(\d+) ([^,]+)", re.sub(r"\s+", " ", text.strip())))
    in_page = re.search(r"\.Sh EXIT STATUS(.*?)\n\.Sh", page("moat.1"), re.S).group(1)
    if set(told) != set(re.findall(r"^\.It (\d+)$", in_page, re.M)):
        sys.exit("exit status: `moat help` and moat(1) differ")
    return [f"exit {number} {words}" for number, words in told.items()]


def json_keys():
    """moat-json(7), which a flow test compares with what is printed."""
    shape = None
    for line in page("moat-json.7").splitlines():
        if line.startswith(".Ss "):
            shape = line[4:]
        match = re.match(r"\.It Va (.*) Pq (.*)", line)
        if shape and match:
            for key in match[1].split(" , "):
                yield f"json {shape}: {key} {match[2]}"


def metrics():
    """A family, and the labels of its samples."""
    text = " ".join(sources("registry"))
    name = r"((?:moat_|process_(?:cpu|max|open|resident|start|virtual)_)[a-z_]+)"
    for metric in set(re.findall(name + r'[ "{]', text)):
        if f'"{metric}' in text or f"# HELP {metric} " in text:
            yield f"metric {metric}"
    for metric, labels in set(re.findall(name + r'\{((?:[a-z]+=\\"[^{}]*?)+)\}', text)):
        for label in re.findall(r'([a-z]+)=\\"', labels):
            yield f"metric {metric} {label}="


def moatd_keys():
    return [f"moatd.yaml {key}"
            for key in re.findall(r"^#([a-z-]+):", run("moatd", "--help-config").stdout, re.M)]


# Sections of moat.yaml(5), and a list in which KEY is a key of that section.
SECTIONS = {
    "DESCRIPTION": ("", "set: a\n{key}: {{}}\n"),
    "Images": ("images[].", "set: a\nimages: [{{{key}: {{}}}}]\n"),
    "Files": ("files[].", "set: a\nfiles: [{{{key}: {{}}}}]\n"),
    "Signatures": ("verify[].", "set: a\nverify: [{{{key}: {{}}}}]\n"),
    "Registries": ("registries.HOST.", "set: a\nregistries: {{h.example: {{{key}: {{}}}}}}\n"),
}


def takes(text):
    """Does the program know all keys of this list? It may still refuse their values."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "moat.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        said = run("moat", "pin", "--list", file.name, "--lock", os.path.join(folder, "moat.lock"))
    return "unknown key" not in said.stderr


def list_keys():
    section = None
    for line in page("moat.yaml.5").splitlines():
        if line.startswith((".Sh ", ".Ss ")):
            section = line[4:]
        match = re.match(r"\.It Cm ([a-z0-9 ,-]+?)( :|$)", line)
        if not match or section not in SECTIONS:
            continue
        prefix, text = SECTIONS[section]
        if takes(text.format(key="no-such-key")):
            sys.exit(f"moat.yaml: an unknown key is taken in {prefix or 'the list'}")
        for key in match[1].split(" , "):
            if takes(text.format(key=key) if key != "set" else "set: a\n"):
                yield f"moat.yaml {prefix}{key}"


def lock_keys():
    """Keys of moat.lock(5), each of which the code of the lock writes or reads."""
    text = " ".join(sources("mirror-tool/list"))
    for line in page("moat.lock.5").splitlines():
        match = re.match(r"\.(?:It )?Va ([A-Za-z, ]+)", line)
        for key in match[1].split(" , ") if match else ():
            key = key.strip(" ,")
            if not re.search(rf'\\?"{key}\\?"', text):
                sys.exit(f"moat.lock(5) has the key {key}, mirror-tool/list/ has not")
            yield f"moat.lock {key}"


def rule_keys():
    """Keys and actions of moat-access(5)."""
    text = " ".join(sources("registry/access"))
    for key in re.findall(r"^\.(?:It )?Cm ([a-z]+)$", page("moat-access.5"), re.M):
        if f'"{key}"' not in text:
            sys.exit(f"moat-access(5) has the word {key}, registry/access/ has not")
        yield f"access.yaml {key}"


def events():
    """An event, and its fields; of access and audit log all fields together."""
    for text in sources("registry", "mirror-tool"):
        for call in re.findall(r"log_(?:fields|write)\((.*?)\);", text):
            event = re.search(r'"([a-z.]+)"', call).group(1)
            yield f"event {event}"
            yield from (f"event {event} {key}=" for key in re.findall(r'\{ "([a-z-]+)",', call))
        yield from (f"event {event}" for event in re.findall(r'log_begin\(\w+, "([a-z.]+)"', text))
        yield from (f"log field {key}=" for key in
                    re.findall(r'log_(?:text|number|milliseconds)\(\w+, "([a-z-]+)"', text))


def audit_fields():
    """Members of a record of the audit log: those that each has, and the facts of actions."""
    for text in sources("storage/audit"):
        yield from (f"audit field {key}" for key in
                    re.findall(r'(?:log_(?:text|number)|add_(?:known|hash))\(\w+, "([a-z_]+)"', text))
        yield from (f"audit field {key}" for key in re.findall(r'"(torn|bad)"', text))
    for text in sources("registry", "mirror-tool"):
        for facts in re.findall(r"log_field\b(.*?);", text):
            yield from (f"audit field {key}" for key in re.findall(r'\{ "([a-z_]+)",', facts))


def environment():
    for text in sources("mirror-tool", "registry", "storage"):
        yield from (f"environment {name}" for name in re.findall(r'getenv\("(MOAT_[A-Z_]+)"', text))


def found():
    names = set(itertools.chain((f"verb {verb}" for verb in verbs()), options(), exit_statuses(), json_keys(),
                                metrics(), moatd_keys(), list_keys(), lock_keys(), rule_keys(), events(), audit_fields(), environment()))
    # A kind of which nothing is found is read in the wrong place.
    for kind, least in (("verb", 15), ("option", 40), ("exit", 10), ("json", 150), ("metric", 30),
                        ("moatd.yaml", 35), ("moat.yaml", 30), ("moat.lock", 25), ("access.yaml", 7), ("event", 20), ("log", 12), ("audit", 20), ("environment", 1)):
        if sum(name.split()[0] == kind for name in names) < least:
            sys.exit(f"{kind}: fewer than {least} found; does this script still look in the right place?")
    return names


def main():
    names, path = found(), os.path.join(HERE, "names.txt")
    if "--print" in sys.argv:
        print("\n".join(sorted(names)))
        return 0
    if "--fix" in sys.argv:
        with open(path, "w", encoding="utf-8") as file:
            file.write(HEAD + "".join(f"{name}\n" for name in sorted(names)))
        return 0
    with open(path, encoding="utf-8") as file:
        held = {line.rstrip("\n") for line in file if not line.startswith("#")}
    for name in sorted(held - names):
        print(f"gone or changed, and others rely on it: {name}")
    for name in sorted(names - held):
        print(f"new: {name}")
    if held != names:
        print("names.txt says at its top how a name comes and goes.")
    return held != names


if __name__ == "__main__":
    sys.exit(main())
