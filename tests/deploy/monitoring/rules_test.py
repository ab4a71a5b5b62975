#!/usr/bin/python3
"""Alerts, runbooks and dashboards as they are written: the real promtool and amtool take them, they agree with each other,
with docs/METRICS.md and with the programs' own help. What they say of real data is live_test.mjs.

HNX_BIN_DIR: folder of the programs that runbooks name (default: build/test/bin)."""
import functools
import json
import os
import pathlib
import re
import subprocess
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
DASHBOARDS = ROOT / "dashboards"
ALERT_FILES = sorted((DASHBOARDS / "alerts").glob("*.yaml"))
TEST_FILES = sorted((ROOT / "tests/deploy/monitoring/alerts").glob("*.test.yaml"))
RUNBOOKS = ROOT / "docs/runbooks"
PROGRAMS = pathlib.Path(os.environ.get("HNX_BIN_DIR", ROOT / "build/test/bin"))
# Links and bookmarks hold these.
UIDS = {"overview": "hnx-overview", "pipeline": "hnx-pipeline", "storage": "hnx-storage", "gateway": "hnx-gateway", "coordinator": "hnx-coordinator"}
ALWAYS_FIRES = "HnxWatchdog"
OPEN_PANELS_MAX = 24
load_yaml = functools.partial(yaml.load, Loader=yaml.CSafeLoader)
METRIC = re.compile(r"\bhnx_[a-z_]+")


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@functools.cache
def rules():
    return [rule for file in ALERT_FILES for group in load_yaml(file.read_text())["groups"] for rule in group["rules"]]


@functools.cache
def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@functools.cache
def dashboards():
    return {file.stem: json.loads(file.read_text()) for file in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard):
    every = [panel for one in dashboard["panels"] for panel in [one, *one.get("panels", [])]]
    return [panel for panel in every if panel["type"] != "row"]


@functools.cache
def manual_metrics():
    return frozenset(re.findall(r"^\| `(hnx_[a-z_]+)`", (ROOT / "docs/METRICS.md").read_text(), re.M))


def metrics_of(expr):
    known = manual_metrics()
    return {name if name in known else re.sub(r"_(bucket|sum|count)$", "", name) for name in METRIC.findall(expr)}


def threshold_of(rule):
    found = re.search(r"(?<![=!])[<>]=?\s*(-?[0-9.]+)", re.sub(r"{[^}]*}", "", rule["expr"]))
    return found and float(found.group(1))


class RealTools(unittest.TestCase):
    def test_promtool_takes_the_rules_without_a_lint(self):
        for file in ALERT_FILES:
            status, said = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", file)
            self.assertEqual(status, 0, said)

    def test_alerts_fire_and_stay_silent_as_their_tests_say(self):
        status, said = run("promtool", "test", "rules", *TEST_FILES)
        self.assertEqual(status, 0, said)

    def test_the_example_configurations_are_taken(self):
        for words in (("amtool", "check-config", DASHBOARDS / "alertmanager.example.yml"), ("promtool", "check", "config", DASHBOARDS / "prometheus.example.yml")):
            status, said = run(*words)
            self.assertEqual(status, 0, said)

    def test_dashboards_are_what_their_sources_make(self):
        status, said = run(DASHBOARDS / "generate", "--check")
        self.assertEqual(status, 0, said)


class Alerts(unittest.TestCase):
    def test_names_are_unique(self):
        names = [rule["alert"] for rule in rules() if "alert" in rule]
        self.assertEqual(sorted(names), sorted(set(names)))

    def test_each_says_how_bad_what_and_where_to_read_on(self):
        for name, rule in alerts().items():
            with self.subTest(name):
                self.assertIn(rule["labels"]["severity"], {"critical", "warning", "info"} | ({"none"} if name == ALWAYS_FIRES else set()))
                self.assertTrue("for" in rule or name == ALWAYS_FIRES, "no `for`: one bad scrape pages")
                self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"})
                self.assertTrue(rule["annotations"]["description"].endswith("."))

    def test_each_has_a_runbook_and_each_runbook_an_alert(self):
        pages = set()
        for name, rule in alerts().items():
            page = ROOT / rule["annotations"]["runbook_url"]
            pages.add(page)
            with self.subTest(name):
                text = page.read_text()
                self.assertIn(name, text)
                for heading in (f"# {page.stem}\n", "\n## See\n", "\n## Do\n"):
                    self.assertIn(heading, text)
        self.assertEqual(pages, set(RUNBOOKS.glob("*.md")))

    def test_each_has_a_test_in_which_it_fires_and_one_in_which_it_is_silent(self):
        seen = set()
        for file in TEST_FILES:
            for group in load_yaml(file.read_text())["tests"]:
                for one in group["alert_rule_test"]:
                    seen.add((one["alertname"], bool(one["exp_alerts"])))
                    self.assertEqual(group["name"].split(": ")[:2], [one["alertname"], "fires" if one["exp_alerts"] else "silent"])
        wanted = {(name, fires) for name in alerts() for fires in (True, False)} - {(ALWAYS_FIRES, False)}
        self.assertEqual(seen, wanted)

    def test_they_name_metrics_that_exist(self):
        for rule in rules():
            self.assertLessEqual(metrics_of(rule["expr"]), manual_metrics(), rule)


class Dashboards(unittest.TestCase):
    def test_uids_stay(self):
        self.assertEqual({name: one["uid"] for name, one in dashboards().items()}, UIDS)

    def test_each_panel_can_be_read(self):
        for name, dashboard in dashboards().items():
            for panel in panels(dashboard):
                with self.subTest(f"{name}: {panel['title']}"):
                    self.assertGreater(len(panel["description"]), 30)
                    self.assertTrue(panel["description"].endswith("."))
                    self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                    self.assertTrue(panel["targets"])
                    for target in panel["targets"]:
                        self.assertTrue(target["legendFormat"])
                    self.assertEqual(panel["datasource"]["uid"], "${datasource}")

    def test_ids_and_places_are_each_panels_own(self):
        for name, dashboard in dashboards().items():
            every = [panel for one in dashboard["panels"] for panel in [one, *one.get("panels", [])]]
            self.assertEqual(len({panel["id"] for panel in every}), len(every), name)
            taken = set()
            for panel in every:
                place = panel["gridPos"]
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(cells & taken, f"{name}: {panel['title']} lies on another panel")
                self.assertLessEqual(place["x"] + place["w"], 24)
                taken |= cells

    def test_not_too_much_is_open_at_once(self):
        for name, dashboard in dashboards().items():
            self.assertLessEqual(len([panel for panel in dashboard["panels"] if panel["type"] != "row"]), OPEN_PANELS_MAX, name)

    def test_variables_are_defined(self):
        for name, dashboard in dashboards().items():
            defined = {one["name"] for one in dashboard["templating"]["list"]} | {"__rate_interval", "__range", "__all"}
            used = set(re.findall(r"\$\{?([a-z_]+)", json.dumps(dashboard["panels"]) + json.dumps(dashboard["templating"])))
            self.assertLessEqual(used, defined, name)

    def test_thresholds_are_those_of_the_alerts(self):
        for file in sorted((DASHBOARDS / "source").glob("*.yaml")):
            sources = {panel["title"]: panel for row in load_yaml(file.read_text())["rows"] for panel in row["panels"]}
            for panel in panels(dashboards()[file.stem]):
                names = sources[panel["title"]].get("alerts", [])
                with self.subTest(f"{file.stem}: {panel['title']}"):
                    wanted = {threshold_of(alerts()[name]) for name in names}
                    shown = {step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]} - {None}
                    if "above_zero" in sources[panel["title"]]:
                        wanted.add(0.0)
                    # A step colours from its value on; an alert fires above it.
                    self.assertEqual({int(value) if round(value % 1, 6) == 0.001 else value for value in shown}, wanted)
                    seen = set().union(*(metrics_of(target["expr"]) for target in panel["targets"]))
                    for name in names:
                        rule = alerts()[name]
                        judged = next((one["expr"] for one in rules() if one.get("record") and one["record"] in rule["expr"]), rule["expr"])
                        self.assertTrue(metrics_of(judged) & seen, f"{name} judges other metrics")

    def test_each_alert_is_linked_from_a_panel(self):
        linked = {link["title"].removeprefix("Runbook ") for one in dashboards().values() for panel in panels(one) for link in panel["links"]}
        wanted = {pathlib.Path(rule["annotations"]["runbook_url"]).stem for rule in alerts().values()}
        self.assertEqual(linked, wanted)

    def test_every_metric_is_on_a_dashboard_and_every_one_there_exists(self):
        shown = set()
        for dashboard in dashboards().values():
            for panel in panels(dashboard):
                for target in panel["targets"]:
                    shown |= metrics_of(target["expr"])
        self.assertEqual(shown, manual_metrics())


class Runbooks(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for page in RUNBOOKS.glob("*.md"):
            for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
                self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")

    def test_commands_and_their_options_exist(self):
        helps = {}
        checked = 0
        for page in sorted(RUNBOOKS.glob("*.md")):
            text = page.read_text()
            lines = [line for block in re.findall(r"```\n(.*?)```", text, re.S) for line in block.splitlines()]
            lines += re.findall(r"`((?:coordinator|worker|gateway|hyp) [^`]+)`", text)
            for line in lines:
                words = line.split()
                if words[0] not in ("coordinator", "worker", "gateway", "hyp"):
                    continue
                command = [words[0]]
                for word in words[1:]:
                    if not re.fullmatch(r"[a-z]+", word) or len(command) > (2 if words[1] == "failures" else 1):
                        break
                    command.append(word)
                if tuple(command) not in helps:
                    helps[tuple(command)] = run(PROGRAMS / command[0], *command[1:], "--help")
                status, said = helps[tuple(command)]
                with self.subTest(f"{page.name}: {line}"):
                    self.assertEqual(status, 0, said[-300:])
                    for option in re.findall(r"--[a-z-]+", line):
                        self.assertTrue(re.search(rf"{option}\b", said), f"its help does not name {option}")
                    checked += 1
        self.assertGreater(checked, 50)

    def test_options_that_are_named_alone_exist(self):
        every = "".join(run(PROGRAMS / program, "--help-all")[1] for program in ("coordinator", "worker", "gateway", "hyp"))
        every += run("node", ROOT / "swarm/swarm.mjs", "--help")[1]
        for page in sorted(RUNBOOKS.glob("*.md")):
            for option in re.findall(r"`(--[a-z-]+)[` ]", page.read_text()):
                with self.subTest(page.name):
                    self.assertTrue(re.search(rf"{option}\b", every), f"no program's help names {option}")


if __name__ == "__main__":
    unittest.main()
