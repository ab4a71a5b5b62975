"""What the benchmarks' scripts share: who uses the processors, how much memory a process took, servers as children."""
import atexit
import json
import os
import pathlib
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time

# A comparison in which other programs used more cores than this is disturbed.
FOREIGN_CORES_MAX = 0.25
START_SECONDS_MAX = 60
TICKS = os.sysconf("SC_CLK_TCK")


def describe_machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    return f"machine: {os.cpu_count()} cores, {model}"


def process_cpu_seconds(pid):
    """All its threads, not its children."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def reset_peak(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:", 1)[1].split()[0])


def busy_seconds():
    """CPU seconds that the machine has worked, of all its cores."""
    fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICKS


class Meter:
    """How many cores others kept busy since it was made: all but this process and its children."""

    def __init__(self):
        self.began, self.busy, self.own = time.monotonic(), busy_seconds(), self.own_seconds()

    @staticmethod
    def own_seconds():
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        ended = sum(one.ru_utime + one.ru_stime for one in usage)
        return ended + sum(process_cpu_seconds(server.pid) for server in Server.running)

    def foreign_cores(self):
        busy, own = busy_seconds() - self.busy, self.own_seconds() - self.own
        return max(0.0, busy - own) / (time.monotonic() - self.began)


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Server:
    """A program that prints one JSON object when it serves, {"listening": [address]} or another, and runs until it is stopped."""

    running = []

    def __init__(self, command):
        self.start(command)
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS_MAX)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.fail("it did not begin to serve")
        self.said = json.loads(line)
        self.address = next(iter(self.said.get("listening", [])), None)

    def start(self, command):
        self.command = [str(word) for word in command]
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.pid = self.process.pid
        Server.running.append(self)

    def fail(self, why):
        self.stop()
        self.log.seek(0)
        sys.exit(f"{' '.join(self.command)}: {why}\n{self.log.read()[-2000:]}")

    def stop(self):
        if self in Server.running:
            Server.running.remove(self)
            self.process.stdin.close()
            self.process.terminate()
            self.process.wait()
            self.process.stdout.close()


@atexit.register
def stop_all():
    for server in list(Server.running):
        server.stop()
