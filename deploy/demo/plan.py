"""What the demonstration channel holds: packages.json (read by default.nix) as a pure function of the options.

Packages are sorted into bands, in dependency order; a band is copied into the cache with one compression.
"""
import hashlib
import math
import random
import urllib.parse

HUGE_BYTES = 320 << 20
BULK_OUTPUTS = ["out", "lib", "dev", "doc", "man"]
BULK_SHAPES = [1, 3, 2, 4, 2, 5]  # outputs of the packages, in turn
BULK_LAYERS_MAX = 24
BULK_COMPRESSIONS = ["zstd", "zstd", "none", "bzip2", "zstd", "xz", "zstd", "zstd"]
# xz takes a CPU second for 1.8 MB: larger sets keep their xz band to about this size.
XZ_BYTES_MAX = 16 << 20
CHANGED_SHARE = 0.05  # of all paths, from each release to the next
UNREFERRED_SHARE = 0.3  # the topmost part of the bulk, to which only the system refers


def quoted(path):
    return urllib.parse.quote(path)


def text_file(path, text, kind="file"):
    return {"path": quoted(path), "type": kind, "text": text}


def link(path, target):
    return {"path": quoted(path), "type": "symlink", "text": target}


def directory(path):
    return {"path": quoted(path), "type": "directory"}


def noise(path, seed, size, kind="file"):
    return {"path": quoted(path), "type": kind, "random": [seed, size]}


class Plan:
    def __init__(self, options):
        self.options = options
        self.packages = {}
        self.bands = []  # [compression, [attribute]]
        self.unlisted = set()  # (attribute, output): not in store-paths
        self.roots = []  # shown to people: attributes worth a --match
        self.faults = {}  # attribute -> fault

    def band(self, compression):
        self.bands.append([compression, []])

    def add(self, attribute, name, files, references=(), outputs=("out",), kind="derivation", **more):
        assert attribute not in self.packages, attribute
        if isinstance(files, list):
            files = {outputs[0]: files}
        self.packages[attribute] = {
            "name": name, "kind": kind, "outputs": list(outputs), "references": list(references), "files": files, **more}
        self.bands[-1][1].append(attribute)

    def path_count(self):
        return sum(len(p["outputs"]) for p in self.packages.values())

    def to_json(self):
        return {
            "packages": self.packages, "bands": self.bands, "unlisted": sorted(self.unlisted), "roots": self.roots,
            "faults": self.faults, "options": self.options}


def script(text):
    return "#!/bin/sh\n" + text


def add_core(plan):
    """The packages at the bottom of every closure."""
    plan.band("xz")
    plan.add(
        "glibc", "glibc-2.40-66", {
            "out": [noise("lib/libc-2.40.so", "libc", 900_000, "executable"), link("lib/libc.so.6", "libc-2.40.so"),
                    text_file("lib/ld-linux.so.2", "search: @out@/lib\n"), directory("share/locale")],
            "bin": [text_file("bin/ldd", script("exec @out@/lib/ld-linux.so.2 \"$@\"\n"), "executable")],
            "dev": [text_file("include/stdio.h", "/* @out@ */\n"), text_file("nix-support/propagated", "@out@ @bin@\n")],
            "static": [noise("lib/libc.a", "libc.a", 300_000)]},
        outputs=["out", "bin", "dev", "static"])
    plan.add("bash", "bash-5.3", [text_file("bin/bash", script("exec /bin/bash \"$@\"  # @0@ @out@\n"), "executable"),
                                  link("bin/sh", "bash"), noise("share/bash.info", "bash", 120_000)], ["glibc"])
    plan.add("hello", "hello-2.12.1", [
        text_file("bin/hello", script("echo 'Hello, world!'  # linked with @0@ by @1@\n"), "executable"),
        text_file("share/man/man1/hello.1", ".TH HELLO 1\nInstalled in @out@\n"),
        noise("share/locale/de/LC_MESSAGES/hello.mo", "hello", 20_000)], ["glibc", "bash"])
    tools = ["cat", "chmod", "cp", "head", "ls", "mkdir", "mv", "rm", "sort", "tail", "tr", "wc"]
    plan.add("coreutils", "coreutils-9.8", [noise("bin/coreutils", "coreutils", 700_000, "executable"),
                                            text_file("etc/needs", "@0@\n@out@\n")]
             + [link(f"bin/{tool}", "coreutils") for tool in tools], ["glibc"])
    plan.unlisted.add(("glibc", "dev"))
    plan.roots += ["hello", "coreutils", "bash"]


def add_shapes(plan):
    """One package for every shape of a NAR or a narinfo that a mirror must keep."""
    plan.band("zstd")
    plan.add("motd", "motd", [], kind="text", lines=["Welcome to the demonstration channel.\n"])
    plan.add("profile", "profile", [], ["motd"], kind="text", lines=["# shown at login:\n"])
    plan.add("builder-source", "demo-source", [], kind="source")
    archive = "This stands for a release archive: fetched, and known by its hash.\n" * 400
    plan.add("hello-src", "hello-2.12.1.tar.gz", [text_file("", archive)],
             flat_sha256=hashlib.sha256(archive.encode()).hexdigest())
    plan.add("unicode", "unicode-names-1.0", [
        text_file(f"share/{name}", f"{number}\n") for number, name in enumerate([
            "Grüße aus Köln.txt", "日本語/説明.md", "русский", "עברית", "emoji-🦉-❄", "e\u0301-combining", "é-composed",
            "with space", "with\nnewline", "quote\"'`$(x)", "back\\slash", ".hidden", "-dash", "A", "a", "~tilde",
            "name-of-255-bytes-" + "x" * 237, "%2e%2e", "caseHack~nix~case~hack~1"])
        ] + [{"path": "share/not-utf8-%FF%FE", "type": "file", "text": "bytes\n"}])
    plan.add("many-outputs", "many-outputs-3.1", {
        "out": [text_file("bin/many", script("exec cat @lib@/lib/many\n"), "executable")],
        "bin": [text_file("bin/more", script("exec @out@/bin/many\n"), "executable")],
        "lib": [text_file("lib/many", "@lib@ and @0@\n")],
        "dev": [text_file("include/many.h", "// @lib@ @out@\n")],
        "doc": [text_file("share/doc/many.txt", "Nothing is referred to from here.\n")],
        "man": [text_file("share/man/man1/many.1", ".TH MANY 1\n")]},
        ["glibc"], ["out", "bin", "lib", "dev", "doc", "man"])
    for twin in ("a", "b"):
        plan.add(f"twin-{twin}", f"twin-{twin}-1.0", [noise("share/same", "twin", 70_000)])
    plan.add("wide", "wide-tree-1.0", [text_file(f"share/{n % 7}/{n:03}", f"file {n}\n") for n in range(300)]
             + [text_file("/".join(["deep"] * 40) + "/leaf", "x")])
    plan.add("zeros", "zeros-1.0", [{"path": "share/zeros", "type": "file", "zeros": 8 << 20}])
    plan.band("none")
    plan.add("empty-file", "empty-file", [text_file("", "")])
    plan.add("empty-directory", "empty-directory", [directory("")])
    plan.add("one-byte", "one-byte", [text_file("", "x")])
    plan.add("executable", "executable-root", [text_file("", script("exit 0\n"), "executable")])
    plan.add("root-link", "root-link", [link("", "@0@/bin/hello")], ["hello"])
    plan.add("dangling", "dangling-links-1.0", [
        link("share/nowhere", "/does/not/exist"), link("share/up", "../../../etc/passwd"), link("share/self", "self"),
        link("share/absolute", "@0@/bin/ls")], ["coreutils"])
    plan.add("firmware", "firmware-2026.11", [noise("lib/firmware.bin", "firmware", 3_000_001)])
    plan.band("bzip2")
    for number in range(12):
        below = [f"chain-{number - 1}"] if number else ["bash"]
        plan.add(f"chain-{number}", f"chain-{number:02}-1.0", [
            text_file("bin/link", script("echo @0@ @out@\n" if number % 2 else "echo @0@\n"), "executable")], below)
        if number % 3:
            plan.unlisted.add((f"chain-{number}", "out"))
    plan.unlisted |= {("motd", "out"), ("builder-source", "out"), ("twin-b", "out"), ("many-outputs", "lib")}
    plan.roots += ["unicode", "many-outputs", "chain-11", "hello-src"]


def bulk_references(generator, index, count, layer_start):
    """One package of the layer below and some drawn towards the bottom, where the hubs are."""
    limit = min(index, int(count * (1 - UNREFERRED_SHARE)))
    if limit == 0:
        return []
    layers = [start for start in layer_start if start <= min(index, limit - 1)]
    low, high = (layers[-2], layers[-1]) if len(layers) > 1 else (0, limit)
    chosen = {generator.randrange(low, max(low + 1, min(high, limit)))}
    for _ in range(min(7, limit)):
        chosen.add(int(limit * generator.random() ** 3))
    return sorted(chosen)


def bulk_shapes(count_paths):
    """Outputs of each bulk package, together exactly count_paths."""
    shapes = []
    while count_paths > 0:
        shapes.append(min(BULK_SHAPES[len(shapes) % len(BULK_SHAPES)], count_paths))
        count_paths -= shapes[-1]
    return shapes


def bulk_package(plan, index, shape, changed, sizes, references):
    outputs = BULK_OUTPUTS[:shape]
    seed = f"{plan.options['seed']}/{index}/{plan.options['release'] if changed else 1}"
    version = f"1.{plan.options['release'] - 1}" if changed else "1.0"
    generator = random.Random(f"{seed}/self")
    lines = "".join(f"@{number}@\n" for number in range(len(references)))
    files = {"out": [text_file("share/needs", lines)]}
    if generator.random() < 0.3:
        files["out"].append(text_file("share/self", "@out@\n"))
    if shape >= 2:
        files["out"].append(link("lib", "@lib@/lib"))
    for output in outputs:
        files.setdefault(output, []).append(noise(f"lib/{output}.bin", f"{seed}/{output}", sizes.pop()))
    if shape >= 3:
        files["dev"].append(text_file("nix-support/propagated", "@out@ @lib@\n"))
    plan.add(f"p{index:05}", f"part-{index:05}-{version}", files, [f"p{n:05}" for n in references], outputs)
    if shape >= 2 and index % 2:
        plan.unlisted.add((f"p{index:05}", "lib"))


def changed_packages(shapes, paths_total):
    """The topmost packages whose outputs, with the system's one, are the changed share."""
    left = round(paths_total * CHANGED_SHARE) - 1
    changed = set()
    lowest = math.ceil(len(shapes) * (1 - UNREFERRED_SHARE))
    for index in range(len(shapes) - 1, lowest - 1, -1):
        if shapes[index] <= left:
            left -= shapes[index]
            changed.add(index)
    return changed


def add_bulk(plan, count_paths, count_bytes):
    shapes = bulk_shapes(count_paths)
    count = len(shapes)
    if count == 0:
        return
    seed = plan.options["seed"]
    generator = random.Random(f"{seed}/bulk")
    weights = [min(generator.lognormvariate(0, 1.6), 60.0) for _ in range(count_paths)]
    sizes = [max(1, int(count_bytes * weight / sum(weights))) for weight in weights]
    layers = min(BULK_LAYERS_MAX, max(2, count // 4))
    layer_start = sorted({int(count * (layer / layers) ** 1.6) for layer in range(layers)})
    changed = changed_packages(shapes, plan.options["paths"]) if plan.options["release"] > 1 else set()
    compressions = plan.options["compressions"] or BULK_COMPRESSIONS
    xz_bytes, previous = 0, None
    for index, shape in enumerate(shapes):
        band = index * len(compressions) // count
        if band != previous:
            plan.band(compressions[band])
            previous = band
        if plan.bands[-1][0] == "xz" and not plan.options["compressions"]:
            xz_bytes += sum(sizes[-shape:])
            if xz_bytes > XZ_BYTES_MAX:
                plan.band("zstd")
        references = bulk_references(random.Random(f"{seed}/{index}"), index, count, layer_start)
        bulk_package(plan, index, shape, index in changed, sizes, references)


def add_huge(plan):
    for compression in ("none", "zstd"):
        plan.band(compression)
        plan.add(f"huge-{compression}", f"huge-{compression}-1.0", [noise("share/huge", f"huge-{compression}", HUGE_BYTES)])
        plan.roots.append(f"huge-{compression}")


def add_system(plan):
    bulk = [name for name in plan.packages if name.startswith("p0") or name.startswith("p1")]
    step = max(1, len(bulk) // 40)
    members = ["hello", "coreutils", "bash", "profile", "unicode", "many-outputs", "chain-11", "dangling", "builder-source", "twin-b", "glibc!dev"] + bulk[::-step]
    lines = "".join(f"@{number}@\n" for number in range(len(members)))
    plan.band("zstd")
    plan.add("nixos-system", "nixos-system-demo-26.11", [
        text_file("init", script("exec @2@/bin/bash\n"), "executable"), link("etc", "@3@"), text_file("sw/paths", lines),
        text_file("nixos-version", f"26.11pre{plan.options['release']:06}\n"), text_file("activate", "@out@\n")], members)
    plan.roots.append("nixos-system")


FAULTS = {
    # attribute: (fault, what the mirror must make of it)
    "missing-root": "missing", "missing-reference": "missing", "bad-signature": "signature", "wrong-url": "wrong-url",
    "wrong-hash": "wrong-hash", "truncated": "truncated", "busy-503": "busy", "drift": "drift"}


def add_faults(plan):
    """Each faulty package, one that needs it, and a system that needs them all."""
    plan.band("xz")
    for attribute, fault in FAULTS.items():
        plan.add(attribute, f"fault-{attribute}-1.0", [
            noise("share/data", attribute, 40_000), text_file("share/needs", "@0@\n")], ["hello"])
        plan.faults[attribute] = fault
    plan.unlisted.add(("missing-reference", "out"))
    plan.band("zstd")
    for attribute in FAULTS:
        if attribute == "missing-root":
            continue
        plan.add(f"needs-{attribute}", f"needs-{attribute}-1.0", [text_file("share/needs", "@0@\n@1@\n")],
                 [attribute, "hello"])
    plan.add("needs-deep", "needs-deep-1.0", [text_file("share/needs", "@0@\n")], ["needs-missing-reference"])
    needers = [f"needs-{attribute}" for attribute in FAULTS if attribute != "missing-root"] + ["needs-deep", "coreutils"]
    plan.add("faulty-system", "nixos-system-faulty-26.11", [
        text_file("sw/paths", "".join(f"@{number}@\n" for number in range(len(needers))))], needers)


def make_plan(options):
    """options: seed, paths, bytes, release, faults, huge, compressions."""
    plan = Plan(options)
    add_core(plan)
    add_shapes(plan)
    if options["huge"]:
        add_huge(plan)
    if options["faults"]:
        add_faults(plan)
    add_bulk(plan, options["paths"] - plan.path_count() - 1, options["bytes"])
    add_system(plan)
    return plan.to_json()
