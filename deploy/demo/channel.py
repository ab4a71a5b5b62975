#!/usr/bin/python3
"""Turns what nix wrote into the demonstration channel: names, releases, faults, expectations, nginx.conf.

Called by deploy/demo-channel; every command may be repeated.
  channel.py plan DIR OPTIONS-JSON     writes DIR/expression/ and prints nothing
  channel.py bands DIR                 prints "compression path path ..." a line, in the order to copy them
  channel.py finish DIR                renames NARs, writes the release, adds faults, writes expected.json
  channel.py configure DIR JSON        writes release page, info.env and run/nginx.conf for an address
  channel.py point DIR CHANNEL N       has a channel point to release N; configure makes it so
  channel.py free-port                 prints a free TCP port of 127.0.0.1
"""
import base64
import hashlib
import io
import json
import lzma
import os
import pathlib
import shutil
import socket
import sys
import tarfile

import plan as planning

CHANNEL = "nixos-unstable"
KEY_NAME = "demo-channel-1"
REFUSALS = 2  # 503s before the first answer
RETRY_AFTER_S = 1
BROTLI_BLOCK_BYTES = 1 << 16
NIX32 = "0123456789abcdfghijklmnpqrsvwxyz"


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(data if isinstance(data, bytes) else data.encode())
    temporary.replace(path)


def read_json(path):
    return json.loads(path.read_text())


def nix32(digest):
    count = (len(digest) * 8 - 1) // 5 + 1
    number = int.from_bytes(digest, "little")
    return "".join(NIX32[number >> (5 * n) & 31] for n in reversed(range(count)))


class NarInfo:
    """A narinfo as text lines; changes keep every other byte."""

    def __init__(self, path):
        self.path = path
        self.lines = path.read_text().splitlines()

    def get(self, field):
        return next((line[len(field) + 2:] for line in self.lines if line.startswith(field + ": ")), "")

    def set(self, field, value):
        self.lines = [f"{field}: {value}" if line.startswith(field + ": ") else line for line in self.lines]

    def text(self):
        return "".join(line + "\n" for line in self.lines)

    def references(self):
        return ["/nix/store/" + name for name in self.get("References").split()]


class Channel:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.cache = self.dir / "www/cache"
        self.pristine = self.dir / "pristine"
        self.expression = self.dir / "expression"

    # ---- what is there -------------------------------------------------------------------------------

    def plan(self):
        return read_json(self.expression / "packages.json")

    def paths(self):
        """{attribute: {output: store path}}, as nix evaluated it."""
        return read_json(self.dir / "paths.json")

    def revision(self):
        options = self.plan()["options"]
        return hashlib.sha1(f"{options['seed']}/{options['release']}/{options['paths']}".encode()).hexdigest()

    def release_name(self):
        return f"nixos-26.11pre{self.plan()['options']['release']:06}.{self.revision()[:12]}"

    def prefix(self):
        return "nixos/unstable/" + self.release_name()

    def narinfo_path(self, store_path):
        return self.cache / (os.path.basename(store_path)[:32] + ".narinfo")

    def healthy(self, store_path):
        """The narinfo as nix wrote it, whatever a fault made of it."""
        kept = self.pristine / self.narinfo_path(store_path).name
        return NarInfo(kept if kept.exists() else self.narinfo_path(store_path))

    def closure(self, roots):
        found, frontier = {}, list(roots)
        while frontier:
            path = frontier.pop()
            if path not in found:
                found[path] = self.healthy(path)
                frontier += found[path].references()
        return found

    # ---- commands ------------------------------------------------------------------------------------

    def write_plan(self, options):
        made = planning.make_plan(options)
        source = pathlib.Path(__file__).parent
        self.expression.mkdir(parents=True, exist_ok=True)
        for name in ("default.nix", "build.py"):
            shutil.copyfile(source / name, self.expression / name)
        write(self.expression / "packages.json", json.dumps(made, indent=1, sort_keys=True) + "\n")

    def bands(self):
        paths = self.paths()
        for compression, attributes in self.plan()["bands"]:
            print(compression, *[path for name in attributes for path in sorted(paths[name].values())])

    def finish(self):
        write(self.cache / "nix-cache-info", "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n")
        self.name_by_nar_hash()
        self.write_release_files()
        self.add_faults()
        self.write_expected()

    def name_by_nar_hash(self):
        """zstd NARs get the names that today's upstream gives: nar/<NarHash>.nar.zst."""
        for path in self.cache.glob("*.narinfo"):
            narinfo = NarInfo(path)
            old = self.cache / narinfo.get("URL")
            url = "nar/" + narinfo.get("NarHash").removeprefix("sha256:") + ".nar.zst"
            if narinfo.get("Compression") != "zstd" or narinfo.get("URL") == url:
                continue
            if old.exists():
                new = self.cache / url
                if new.exists():
                    old.unlink()
                else:
                    old.rename(new)
            narinfo.set("URL", url)
            write(path, narinfo.text())

    def listed(self):
        """The roots as store-paths.xz lists them: sorted, and not closed under references."""
        plan, paths = self.plan(), self.paths()
        unlisted = {(attribute, output) for attribute, output in plan["unlisted"]}
        return sorted(path for attribute, outputs in paths.items() for output, path in outputs.items()
                      if (attribute, output) not in unlisted)

    def write_release_files(self):
        release = self.dir / "www/releases" / self.prefix()
        revision = self.revision()
        write(release / "store-paths.xz", lzma.compress("".join(p + "\n" for p in self.listed()).encode()))
        write(release / "git-revision", revision)
        write(release / "src-url", f"https://hydra.example/eval/{self.plan()['options']['release']}")
        write(release / "nixexprs.tar.xz", self.expressions_archive())
        listing = {"version": 2, "packages": {name: {"name": package["name"], "outputs": package["outputs"]}
                                              for name, package in self.plan()["packages"].items()}}
        write(release / "packages.json.br", stored_brotli(json.dumps(listing, sort_keys=True).encode()))

    def expressions_archive(self):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            contents = {path.name: path.read_bytes() for path in sorted(self.expression.iterdir())}
            contents[".git-revision"] = self.revision().encode()
            contents[".version"] = b"26.11"
            for name, data in sorted(contents.items()):
                entry = tarfile.TarInfo(f"{self.release_name()}/{name}")
                entry.size, entry.mode = len(data), 0o644
                archive.addfile(entry, io.BytesIO(data))
        return lzma.compress(buffer.getvalue())

    # ---- faults --------------------------------------------------------------------------------------

    def add_faults(self):
        paths = self.paths()
        for attribute, fault in self.plan()["faults"].items():
            path = paths[attribute]["out"]
            self.keep_pristine(path)
            getattr(self, "fault_" + fault.replace("-", "_"))(path)

    def keep_pristine(self, store_path):
        """Faults are made from a kept copy, so that making them again changes nothing."""
        narinfo_path = self.narinfo_path(store_path)
        kept = self.pristine / narinfo_path.name
        if not kept.exists():
            narinfo = NarInfo(narinfo_path)
            write(self.pristine / narinfo.get("URL"), (self.cache / narinfo.get("URL")).read_bytes())
            write(kept, narinfo_path.read_bytes())

    def kept_nar(self, store_path):
        url = self.healthy(store_path).get("URL")
        return self.cache / url, (self.pristine / url).read_bytes()

    def fault_missing(self, store_path):
        self.narinfo_path(store_path).unlink(missing_ok=True)

    def fault_signature(self, store_path):
        narinfo = self.healthy(store_path)
        name, encoded = narinfo.get("Sig").split(":")
        signature = bytearray(base64.b64decode(encoded))
        signature[20] ^= 1
        narinfo.set("Sig", f"{name}:{base64.b64encode(signature).decode()}")
        write(self.narinfo_path(store_path), narinfo.text())

    def fault_wrong_url(self, store_path):
        """As happened upstream in 2026: validly signed, but the unsigned URL names the NAR of another path."""
        narinfo, other = self.healthy(store_path), self.healthy(self.paths()["hello"]["out"])
        for field in ("URL", "Compression", "FileHash", "FileSize"):
            narinfo.set(field, other.get(field))
        write(self.narinfo_path(store_path), narinfo.text())

    def fault_wrong_hash(self, store_path):
        """The NAR decodes and is canonical, but one byte of a file in it differs."""
        path, data = self.kept_nar(store_path)
        nar = bytearray(lzma.decompress(data))
        nar[len(nar) // 2] ^= 0x20
        write(path, lzma.compress(bytes(nar)))

    def fault_truncated(self, store_path):
        path, data = self.kept_nar(store_path)
        write(path, data[: len(data) * 3 // 5])

    def fault_busy(self, store_path):
        """Made by nginx and flaky.py: see nginx_conf."""

    def fault_drift(self, store_path):
        """Compressed anew after the narinfo was written: FileHash and FileSize are those of the old file."""
        path, data = self.kept_nar(store_path)
        write(path, lzma.compress(lzma.decompress(data), check=lzma.CHECK_SHA256, preset=0))

    # ---- expectations --------------------------------------------------------------------------------

    def write_expected(self):
        plan, paths = self.plan(), self.paths()
        verdicts = {"missing": "missing", "signature": "set_aside", "wrong-url": "set_aside", "wrong-hash": "set_aside",
                    "truncated": "set_aside"}
        bad = {paths[attribute]["out"]: (verdicts[fault], fault) for attribute, fault in plan["faults"].items()
               if fault in verdicts}
        closure = self.closure(self.listed())
        culprits = {}
        order = self.references_first(closure)
        for path in order:
            found = set()
            for reference in closure[path].references():
                if reference != path:
                    found |= {reference} if reference in bad else culprits[reference]
            culprits[path] = found
        listed = set(self.listed())
        known = set()
        for before in range(1, plan["options"]["release"]):
            known |= set(read_json(self.dir / f"expected-{before}.json")["paths"])
        expected = {
            "channel": CHANNEL, "release": self.release_name(), "prefix": self.prefix(), "revision": self.revision(),
            "attributes": {name: paths[name]["out"] for name in plan["roots"]},
            "outputs": paths,
            "paths": {path: self.expectation(path, closure[path], bad, culprits[path], path in listed, path not in known)
                      for path in sorted(closure)}}
        counts = {}
        for entry in expected["paths"].values():
            counts[entry["status"]] = counts.get(entry["status"], 0) + 1
        expected["counts"] = counts
        text = json.dumps(expected, indent=1) + "\n"
        write(self.dir / f"expected-{plan['options']['release']}.json", text)
        write(self.dir / "expected.json", text)

    @staticmethod
    def expectation(path, narinfo, bad, culprits, listed, new):
        entry = {"status": "published", "listed": listed, "new": new, "url": narinfo.get("URL"),
                 "nar_hash": narinfo.get("NarHash"), "nar_size": int(narinfo.get("NarSize")),
                 "file_size": int(narinfo.get("FileSize"))}
        if path in bad:
            entry["status"], entry["fault"] = bad[path]
        elif culprits:
            entry["status"] = "blocked"
            entry["blocked_by"] = sorted(culprits)
            entry["blocked_by_directly"] = sorted(r for r in narinfo.references() if r in bad)
        return entry

    @staticmethod
    def references_first(closure):
        order, done, stack = [], set(), [(path, False) for path in closure]
        while stack:
            path, expanded = stack.pop()
            if expanded:
                order.append(path)
            elif path not in done:
                done.add(path)
                stack.append((path, True))
                stack += [(r, False) for r in closure[path].references() if r not in done]
        return order

    # ---- serving -------------------------------------------------------------------------------------

    def configure(self, settings):
        base = "http://" + settings["listen"]
        for release in sorted((self.dir / "www/releases/nixos/unstable").iterdir()):
            write(release / "binary-cache-url", base + "/cache")
            write(release / "index.html", release_page(release))
        (self.dir / "run").mkdir(exist_ok=True)
        write(self.dir / "run/nginx.conf", self.nginx_conf(settings))
        expected = read_json(self.dir / "expected.json")
        public_key = (self.dir / "keys/public").read_text().strip()
        write(self.dir / "info.env", "".join(f"{name}='{value}'\n" for name, value in {
            "DEMO_LISTEN": settings["listen"], "DEMO_UPSTREAM": base + "/cache", "DEMO_CHANNEL_URL": base + "/channels",
            "DEMO_RELEASES_URL": base + "/releases", "DEMO_CHANNEL": CHANNEL, "DEMO_RELEASE": expected["release"],
            "DEMO_RELEASE_URL": f"{base}/releases/{expected['prefix']}", "DEMO_PUBLIC_KEY": public_key,
            "DEMO_ROOTS": " ".join(expected["attributes"].values()), "DEMO_HELLO": expected["attributes"]["hello"],
            "DEMO_PATHS": len(expected["paths"])}.items()))

    def point(self, channel, release):
        file = self.dir / "channels.json"
        channels = read_json(file) if file.exists() else {}
        channels[channel] = int(release)
        write(file, json.dumps(channels, indent=1) + "\n")

    def channels(self):
        """{channel: what is expected of the release that it points to}; our own points to the newest by default."""
        file = self.dir / "channels.json"
        chosen = read_json(file) if file.exists() else {}
        return {CHANNEL: read_json(self.dir / "expected.json")} | {
            name: read_json(self.dir / f"expected-{release}.json") for name, release in chosen.items()}

    def nginx_conf(self, settings):
        paths = self.paths()
        busy = [self.healthy(paths[name]["out"]).get("URL") for name, fault in self.plan()["faults"].items()
                if fault == "busy"]
        user = "user root;\n" if os.geteuid() == 0 else ""
        rate = f"limit_rate {settings['rate']};" if settings["rate"] else ""
        zone = limit = ""
        if settings["requests"]:
            zone = f"limit_req_zone $nginx_version zone=nars:32k rate={settings['requests']}r/s;"
            limit = "limit_req zone=nars burst=100000;"
        flaky = "".join(f"""
    location = /cache/{url} {{
      {rate} {limit}
      proxy_pass http://unix:{self.dir}/run/flaky.sock;
    }}""" for url in busy)
        return NGINX_CONF.format(
            user=user, dir=self.dir, listen=settings["listen"], rate=rate, zone=zone, limit=limit, flaky=flaky,
            channels="".join(NGINX_CHANNEL.format(channel=name, prefix=expected["prefix"], revision=expected["revision"])
                             for name, expected in sorted(self.channels().items())))


NGINX_CONF = """# Written by deploy/demo-channel; changes are lost.
{user}worker_processes 2;
pid {dir}/run/nginx.pid;
error_log {dir}/run/nginx.error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log {dir}/run/nginx.access.log combined;
  client_body_temp_path {dir}/run/tmp; proxy_temp_path {dir}/run/tmp; fastcgi_temp_path {dir}/run/tmp;
  uwsgi_temp_path {dir}/run/tmp; scgi_temp_path {dir}/run/tmp;
  types {{ text/html html; text/x-nix-narinfo narinfo; application/x-xz xz; application/json json; }}
  default_type application/octet-stream;
  sendfile on; tcp_nopush on; keepalive_requests 100000; server_tokens off;
  {zone}
  server {{
    listen {listen} backlog=4096;
    root {dir}/www;
    location = /cache/nix-cache-info {{ default_type text/x-nix-cache-info; }}
    location /cache/nar/ {{ default_type application/x-nix-nar; {rate} {limit} }}
    location /internal/cache/ {{ internal; alias {dir}/www/cache/; default_type application/x-nix-nar; {rate} }}{flaky}
    # A release's page is the object at the prefix itself, without a redirect to "prefix/".
    location /releases/ {{ try_files $uri/index.html $uri =404; }}
    location ~ ^/releases/.*\\.br$ {{ add_header Content-Encoding br; default_type application/json; }}
    location ~ ^/releases/.*/(git-revision|binary-cache-url|src-url)$ {{ default_type text/plain; }}
{channels}  }}
}}
"""

NGINX_CHANNEL = """    location = /channels/{channel} {{ return 302 http://$http_host/releases/{prefix}; }}
    location ~ ^/channels/{channel}/(?<file>[^/]+)$ {{
      add_header Link '<http://$http_host/releases/{prefix}/$file?rev={revision}>; rel="immutable"' always;
      return 302 http://$http_host/releases/{prefix}/$file;
    }}
"""


def release_page(release):
    """Name, size and SHA-256 of every file of the release: the page that the releases host shows at its prefix."""
    revision = (release / "git-revision").read_text()
    rows = []
    for path in sorted(release.iterdir()):
        if path.name != "index.html":
            data = path.read_bytes()
            rows.append(f"<tr><td><a href='/nixos/unstable/{release.name}/{path.name}'>{path.name}</a></td>"
                        f"<td align='right'>{len(data)}</td><td><tt>{hashlib.sha256(data).hexdigest()}</tt></td></tr>")
    title = f"{CHANNEL} release {release.name}"
    return (f"<!DOCTYPE html><html lang=\"en\"><head><title>{title}</title></head><body><h1>{title}</h1>"
            f"<p>Released on 2026-11-22 12:00:00 from <a href='https://example.org/commits/{revision}'>"
            f"Git commit <tt>{revision}</tt></a> via <a href='https://hydra.example/eval/1'>Hydra evaluation 1</a>.</p>"
            "<table><thead><tr><th>File name</th><th>Size</th><th>SHA-256 hash</th></tr></thead><tbody>"
            + "".join(rows) + "</tbody></table></body></html>\n")


def stored_brotli(data):
    """A brotli stream of uncompressed meta-blocks (RFC 7932, 9.2): needs no brotli package."""
    bits, count, out = 0, 1, bytearray()  # WBITS: one zero bit, a 16-bit window
    for start in range(0, len(data), BROTLI_BLOCK_BYTES):
        block = data[start:start + BROTLI_BLOCK_BYTES]
        # ISLAST 0, MNIBBLES 0 (four nibbles), MLEN - 1, ISUNCOMPRESSED 1, then whole bytes.
        bits |= (len(block) - 1) << (count + 3) | 1 << (count + 19)
        count += 20
        out += bits.to_bytes((count + 7) // 8, "little") + block
        bits, count = 0, 0
    bits |= 3 << count  # ISLAST 1, ISLASTEMPTY 1
    return bytes(out) + bytes([bits])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(listener.getsockname()[1])


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "free-port":
        free_port()
        return
    channel = Channel(arguments[0])
    actions = {"plan": lambda: channel.write_plan(json.loads(arguments[1])), "bands": channel.bands,
               "finish": channel.finish, "point": lambda: channel.point(*arguments[1:]),
               "configure": lambda: channel.configure(json.loads(arguments[1]))}
    actions[command]()


main()
