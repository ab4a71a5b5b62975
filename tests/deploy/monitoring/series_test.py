#!/usr/bin/python3
"""A mirror of ten times as many paths shows the same series: no label holds what grows with it.

usage: series_test.py [SMALL LARGE]     paths of the two mirrors (default: 200 2000; at night: 200 100000)

Upstream and workers are those of bench/scale; coordinator, PostgreSQL and index worker are the real ones."""
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench/scale"))
from synthetic_mirror import Mirror  # noqa: E402

PROGRAMS = pathlib.Path(os.environ.get("HNX_BIN_DIR", ROOT / "build/test/bin"))
WORKERS = 8
WAIT_SECONDS_MAX = 900
POLL_SECONDS = 0.5
ARMED = "SELECT state = 'mirroring' AND lane_changes = lanes_done FROM release ORDER BY id DESC LIMIT 1"
sizes = [int(word) for word in sys.argv[1:]] or [200, 2000]


def series_of(text):
    """Names with labels, without values. Which calls met a coordinator that could not answer yet is chance; codes are few."""
    names = {line.rsplit(" ", 1)[0] for line in text.decode().split("\n") if line.startswith("hnx_")}
    return {name for name in names if 'code="' not in name or 'code="OK"' in name}


def settled_series(mirror):
    """What is shown once the index worker, which came last, is shown too and has made each of its calls, and the release has settled."""
    wanted = [f'hnx_coordinator_worker_alive{{worker="{socket.gethostname()}"}}', 'hnx_coordinator_rpc_calls_total{code="OK",method="ReportScrub"}',
              'hnx_coordinator_channel_settled_timestamp_seconds{channel="scale-1"}']
    end = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        series = series_of(mirror.scrape())
        if series.issuperset(wanted):
            return {line.replace(mirror.upstream.address, "UPSTREAM") for line in series}
        if time.monotonic() > end:
            sys.exit(f"never shown: {set(wanted) - series}")
        time.sleep(POLL_SECONDS)


def mirrored(paths):
    """The series of a coordinator that has planned so many paths, had them stored by workers, and published them."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hnx-series-"))
    os.chmod(folder, 0o711)  # the private PostgreSQL runs as a user of its own when this is root
    mirror = worker = None
    try:
        mirror = Mirror(PROGRAMS, folder, paths)
        mirror.client("plan", "--channel", "scale-1")
        mirror.client("pause", "--all")
        fleet = mirror.start_fleet(WORKERS, paths, WAIT_SECONDS_MAX)
        mirror.client("submit", "--channel", "scale-1")
        mirror.wait_for(ARMED, "the release is ready to be mirrored", WAIT_SECONDS_MAX)
        mirror.client("resume", "--all")
        worker = mirror.start_index_worker()
        told, _ = fleet.communicate()
        if fleet.returncode:
            sys.exit(f"scale_fleet failed: {told}")
        mirror.wait_for("SELECT state = 'settled' FROM release ORDER BY id DESC LIMIT 1", "the release settles", WAIT_SECONDS_MAX)
        return settled_series(mirror)
    finally:
        if worker:
            worker.stop()
        if mirror:
            mirror.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Series(unittest.TestCase):
    def test_they_do_not_grow_with_the_mirror(self):
        small, large = (mirrored(paths) for paths in sizes)
        print(f"{len(small)} series with {sizes[0]:,} paths, {len(large)} with {sizes[1]:,}")
        self.assertGreater(len(small), 100)
        self.assertEqual(small, large)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], warnings="ignore")
