"""A DHT of one's own on this machine, and the bridges between it and C++ programs."""
import contextlib
import pathlib
import re
import tempfile
import time
import urllib.error
import urllib.request

from machine import Server, free_address

SETTLED_SECONDS_MAX = 60


class Ends:
    """Where the two ends of one copy are reached. JavaScript speaks to the DHT itself."""

    def __init__(self, network, server_bridge=None, client_bridge=None):
        self.bridges = {"server bridge": server_bridge, "client bridge": client_bridge} if server_bridge else {}
        self.port = network.port
        self.server = network
        self.client_address = f"dht:{network.port}"
        if server_bridge:
            self.server, self.client_address = server_bridge, f"unix:{client_bridge.socket}"

    def wait_announced(self):
        if self.bridges:
            self.bridges["server bridge"].wait_settled()

    def pids(self, server):
        return [("server", server.pid)] + [(name, bridge.pid) for name, bridge in self.bridges.items()]


class Bridge(Server):
    """swarm.mjs; it says nothing on stdout, and waits for the program's socket by itself."""

    def __init__(self, command, socket):
        self.socket, self.metrics = socket, free_address()
        self.start([*command, "--socket", socket, "--listen-metrics", self.metrics])

    def wait_settled(self):
        """Until what its program announces is announced."""
        end = time.monotonic() + SETTLED_SECONDS_MAX
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                with urllib.request.urlopen(f"http://{self.metrics}/metrics") as metrics:
                    if re.search(r"^hnx_swarm_settled(\{.*\})? 1$", metrics.read().decode(), re.MULTILINE):
                        return
            time.sleep(0.05)
        self.fail("it did not announce the drive")


class Network:
    def __init__(self, peer_js, bridge_js):
        self.peer_js, self.bridge_js = peer_js, bridge_js

    def __enter__(self):
        self.dht = Server([*self.peer_js, "testnet"])
        self.port = self.dht.said["port"]
        # A Unix socket's path has 107 bytes at most.
        self.sockets = tempfile.TemporaryDirectory(prefix="hnx-swarm-", dir="/tmp")
        return self

    def __exit__(self, *_):
        self.dht.stop()
        self.sockets.cleanup()

    @contextlib.contextmanager
    def bridges(self, kind):
        if kind == "js":
            yield Ends(self)
            return
        command = [*self.bridge_js, "--bootstrap", f"127.0.0.1:{self.port}", "--listen", "127.0.0.1"]
        started = [Bridge(command, pathlib.Path(self.sockets.name) / name) for name in ("server", "client")]
        try:
            yield Ends(self, *started)
        finally:
            for bridge in started:
                bridge.stop()
