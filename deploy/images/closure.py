"""Which files of Debian a program needs, and which packages they come from."""
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess

INFO = pathlib.Path("/var/lib/dpkg/info")
# Files that a package's scripts made: dpkg does not know them.
MADE_BY = {"/etc/ssl/certs/ca-certificates.crt": "ca-certificates"}


@dataclasses.dataclass(frozen=True, order=True)
class Package:
    name: str
    architecture: str
    version: str
    source: str  # "NAME VERSION" of the source package
    maintainer: str

    @property
    def copyright(self):
        return pathlib.Path("/usr/share/doc") / self.name / "copyright"

    def status(self):
        return subprocess.run(["dpkg-query", "-s", f"{self.name}:{self.architecture}"], check=True, capture_output=True, text=True).stdout


def without_usr(path):
    """/usr/lib/x and /lib/x are one file: dpkg knows either name."""
    return re.sub(r"^/usr/(bin|sbin|lib|lib64)/", r"/\1/", path)


class Debian:
    def __init__(self):
        self._owners = {}
        for listing in INFO.glob("*.list"):
            name = listing.stem.split(":")[0]
            for path in listing.read_text().splitlines():
                if not os.path.isdir(path):
                    self._owners[without_usr(path)] = name
        self._owners.update(MADE_BY)
        fields = "${Package}\t${Architecture}\t${Version}\t${source:Package} ${source:Version}\t${Maintainer}\n"
        listed = subprocess.run(["dpkg-query", "-W", "-f", fields], check=True, capture_output=True, text=True).stdout
        self.packages = {line.split("\t")[0]: Package(*line.split("\t")) for line in listed.splitlines()}

    def package_of(self, path):
        name = self._owners.get(without_usr(path))
        if name is None:
            raise SystemExit(f"assemble: no package owns {path}")
        return self.packages[name]


def node_builtins():
    """Debian's Node.js reads parts of itself from other packages' JavaScript files."""
    said = subprocess.run(["node", "-p", "JSON.stringify(process.config.variables)"], check=True, capture_output=True, text=True).stdout
    variables = json.loads(said)
    paths = [path for path in variables.get("node_builtin_shareable_builtins", []) if path.startswith("/")]
    linked = subprocess.run(["grep", "-aoE", "/usr/share/nodejs/[A-Za-z0-9_./-]+\\.js", os.path.realpath("/usr/bin/node"), *node_libraries()],
                            capture_output=True, text=True).stdout
    paths += [line.split(":", 1)[-1] for line in linked.splitlines()]
    return sorted(path for path in set(paths) if os.path.exists(path))


def node_libraries():
    return [path for path in libraries_of("/usr/bin/node") if "libnode" in path]


def libraries_of(path):
    """All libraries that the loader would load, theirs too, by the names under which it looks for them."""
    said = subprocess.run(["ldd", str(path)], capture_output=True, text=True)
    if said.returncode != 0:
        if "not a dynamic executable" in said.stderr or "statically linked" in said.stdout:
            return []
        raise SystemExit(f"assemble: ldd {path}: {said.stderr}")
    found = []
    for line in said.stdout.splitlines():
        if "not found" in line:
            raise SystemExit(f"assemble: {path} needs {line.strip()}: add its package to deploy/Dockerfile")
        match = re.search(r"(/\S+) \(0x", line)
        if match:
            found.append(match[1])
    return found


class Files:
    """Files of Debian in an image's root: {name in the image: package}."""

    def __init__(self, debian, root):
        self.owners = {}
        self._debian = debian
        self._root = root

    def add(self, path, copy=True):
        """A file, the links that lead to it, and the libraries that it needs."""
        folder, name = os.path.split(path)
        folder = os.path.realpath(folder)
        path = os.path.join(folder, name)
        if path in self.owners:
            return
        self.owners[path] = self._debian.package_of(path)
        if copy:
            self._copy(path)
        if os.path.islink(path):
            self.add(os.path.join(folder, os.readlink(path)), copy)
        elif copy and is_elf(path):
            self.add_all(libraries_of(path))

    def add_all(self, paths):
        for path in paths:
            self.add(path)

    def add_libraries(self, programs):
        for program in programs:
            self.add_all(libraries_of(program))

    def packages(self):
        return sorted(set(self.owners.values()))

    def _copy(self, path):
        to = self._root / path.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to, follow_symlinks=False)


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"
