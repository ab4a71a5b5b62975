"""A mirror of a synthetic upstream, as bench/scale/run measures it: upstream, coordinator with its own PostgreSQL, fleet."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from machine import Server, TICKS, free_address, peak_kib, process_cpu_seconds  # noqa: E402

START_SECONDS_MAX = 60
POLL_SECONDS = 0.2
CHANGED_SHARE = 0.05


def psql_program():
    """The newest of this machine."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1]) if versions else shutil.which("psql")


def tree_cpu_seconds(root):
    """Of a process and its children, those that have ended too."""
    total = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue  # it has ended
        if int(stat.parent.name) == root:
            total += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == root:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


class QuietServer(Server):
    """One that says nothing on stdout; `ready` tells when it serves."""

    def __init__(self, command, ready):
        self.start(command)
        end = time.monotonic() + START_SECONDS_MAX
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.fail("it did not begin to serve")
            time.sleep(POLL_SECONDS)


class Mirror:
    def __init__(self, programs, folder, paths):
        self.programs, self.folder, self.paths = programs, folder, paths
        (folder / "upstream").mkdir(parents=True)
        self.upstream = Server([programs / "scale_upstream", "serve", "--paths", paths, "--changed", int(paths * CHANGED_SHARE),
                                "--data", folder / "upstream"])
        url = f"http://{self.upstream.address}"
        self.address, self.metrics = free_address(), free_address()
        self.coordinator = QuietServer(
            [programs / "coordinator", "serve", "--data", folder / "coordinator", "--listen", self.address, "--listen-metrics", self.metrics,
             "--upstream", f"{url}/cache", "--channel-url", f"{url}/channels", "--trusted-public-keys", self.upstream.said["public_key"],
             "--log-level", "warning"],
            lambda: self.client("status", check=False) is not None)
        pid_file = (folder / "coordinator/postgres/cluster/postmaster.pid").read_text().split("\n")
        self.postmaster, self.socket_folder = int(pid_file[0]), pid_file[4]
        self.psql = psql_program()

    def client(self, *words, check=True):
        """Last line of JSON that a command of the coordinator prints."""
        told = subprocess.run([self.programs / "coordinator", *map(str, words), "--coordinator", self.address, "--json"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if told.returncode and not check:
            return None
        if told.returncode:
            sys.exit(f"coordinator {' '.join(map(str, words))}: {told.stderr}")
        lines = told.stdout.strip().split("\n")
        return json.loads(lines[-1]) if lines[-1] else {}

    def query(self, statement):
        """One row's columns."""
        told = subprocess.run([self.psql, "-XAtq", "-h", self.socket_folder, "-p", "5432", "-U", "hnx", "-d", "postgres", "-c", statement],
                              stdout=subprocess.PIPE, text=True, check=True)
        return told.stdout.strip().split("|")

    def wait_for(self, statement, what, seconds_max):
        """Until the statement answers t."""
        end = time.monotonic() + seconds_max
        while self.query(statement) != ["t"]:
            if time.monotonic() > end:
                sys.exit(f"{what}: not after {seconds_max} s")
            time.sleep(POLL_SECONDS)

    def cpu(self):
        return {"coordinator": process_cpu_seconds(self.coordinator.pid), "PostgreSQL": tree_cpu_seconds(self.postmaster),
                "upstream": process_cpu_seconds(self.upstream.pid)}

    def coordinator_peak_mib(self):
        return peak_kib(self.coordinator.pid) / 1024

    def scrape(self):
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=START_SECONDS_MAX) as answer:
            return answer.read()

    def start_fleet(self, workers, nars, seconds_max):
        return subprocess.Popen([self.programs / "scale_fleet", "run", "--coordinator", self.address, "--workers", str(workers), "--nars", str(nars),
                                 "--time-max", f"{seconds_max}s"], stdout=subprocess.PIPE, text=True)

    def start_index_worker(self):
        key = self.folder / "index.key"
        subprocess.run([self.programs / "worker", "create-index-key", key], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return QuietServer([self.programs / "worker", "run", "--data", self.folder / "index", "--coordinator", self.address, "--role", "index",
                            "--index-key-file", key, "--log-level", "warning"], lambda: True)

    def index_tree_bytes(self):
        """Of the index drive's core that holds the tree of names, with its hashes, on the index worker's disk."""
        content_bytes = int(self.query("SELECT content_byte_length FROM mirror")[0])
        cores = [file.parent for file in (self.folder / "index").glob("drives/*/cores/*/*/*/data") if file.stat().st_size != content_bytes]
        if len(cores) != 1:
            sys.exit(f"which of these cores is the index's tree? {cores}")
        return sum(file.stat().st_size for file in cores[0].iterdir())

    def stop(self):
        self.coordinator.stop()
        self.upstream.stop()
