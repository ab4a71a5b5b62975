"""The bill of materials of an image, in SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), as JSON."""
import base64
import datetime
import hashlib
import json
import os
import re
import urllib.parse

from licences import Licence

AUTHORS = "Organization: the hypercore-nixos authors"
DISTRO = "debian-12"


def identifier(*parts):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join(parts))


def digest(path, algorithm):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


class Document:
    def __init__(self, root, image, version):
        self._root = root
        self.packages, self.files, self.relationships, self.quoted = [], [], [], {}
        self.image = self.add_package(identifier("image"), f"hypercore-nixos-{image}", version, "MIT", supplier=AUTHORS,
                                      copyrightText="Copyright (c) 2026 the hypercore-nixos authors", primaryPackagePurpose="CONTAINER")
        self.relate("SPDXRef-DOCUMENT", "DESCRIBES", self.image)

    def relate(self, one, how, other):
        self.relationships.append({"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other})

    def add_package(self, spdx_id, name, version, declared, purl=None, **more):
        references = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}] if purl else []
        self.packages.append({
            "SPDXID": spdx_id, "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION", "licenseDeclared": declared, "copyrightText": "NOASSERTION",
            **({"externalRefs": references} if references else {}), **more})
        return spdx_id

    def add_debian(self, name, version, architecture, copyright_text, how, to, **more):
        licence = Licence(name, copyright_text)
        self.quoted.update(licence.quoted)
        quoted = urllib.parse.quote(version, safe="")
        spdx_id = self.add_package(identifier("deb", name), name, version, licence.expression,
                                   f"pkg:deb/debian/{urllib.parse.quote(name, safe='')}@{quoted}?arch={architecture}&distro={DISTRO}", **more)
        self.relate(to, how, spdx_id)
        return spdx_id

    def add_file(self, path, owner):
        """A regular file of the image; links are not listed."""
        name = path.relative_to(self._root)
        spdx_id = identifier("file", str(name))
        self.files.append({
            "SPDXID": spdx_id, "fileName": f"./{name}", "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION",
            "checksums": [{"algorithm": algorithm.upper(), "checksumValue": digest(path, algorithm)} for algorithm in ("sha1", "sha256")]})
        self.relate(owner, "CONTAINS", spdx_id)
        return spdx_id

    def add_modules(self, lock):
        """Node.js packages of a package-lock.json, version 3."""
        for place, entry in sorted(lock["packages"].items()):
            if place == "" or entry.get("dev") or entry.get("optional"):
                continue
            name = place.rpartition("node_modules/")[2]
            algorithm, _, value = entry["integrity"].partition("-")
            scope = urllib.parse.quote(name, safe="/")
            self.relate(self.image, "CONTAINS", self.add_package(
                identifier("npm", place.replace("node_modules/", ""), entry["version"]), name, entry["version"], entry.get("license", "NOASSERTION"),
                f"pkg:npm/{scope}@{entry['version']}",
                checksums=[{"algorithm": algorithm.upper(), "checksumValue": base64.b64decode(value).hex()}]))

    def json(self, name):
        seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or 0) or None
        created = datetime.datetime.fromtimestamp(seconds, datetime.UTC) if seconds else datetime.datetime.now(datetime.UTC)
        body = {"packages": self.packages, "files": self.files, "relationships": self.relationships}
        unique = hashlib.sha256(json.dumps([str(created), body]).encode()).hexdigest()
        return {
            "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
            "documentNamespace": f"https://hypercore-nixos.invalid/spdx/{name}-{unique[:32]}",
            "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": [AUTHORS, "Tool: hypercore-nixos-images"]},
            **body,
            "hasExtractedLicensingInfos": [{"licenseId": reference, "name": name, "extractedText": text}
                                           for reference, (name, text) in sorted(self.quoted.items())]}


def write(root, image, version, files, packages, programs, headers, staged):
    document = Document(root, image, version)
    compiled = [document.add_file(program, document.image) for program in programs]
    owners = {package: document.add_debian(package.name, package.version, package.architecture,
                                           package.copyright.read_text(encoding="utf-8", errors="replace"), "CONTAINS", document.image,
                                           supplier=f"Organization: {package.maintainer}", sourceInfo=f"built from source package {package.source}")
              for package in packages}
    for path, package in sorted(files.owners.items()):
        here = root / path.lstrip("/")
        if here.is_file() and not here.is_symlink():
            document.add_file(here, owners[package])
    for folder in headers:
        text = (folder / "copyright").read_text(encoding="utf-8", errors="replace")
        for program in compiled[:1]:
            document.add_debian(folder.name, (folder / "version").read_text(), "all", text, "STATIC_LINK", program)
        to = root / "usr/share/doc" / folder.name
        to.mkdir()
        (to / "copyright").write_text(text)
    if image == "swarm":
        document.add_modules(json.loads((staged / "swarm/package-lock.json").read_text()))
    ours = root / "usr/share/doc/hypercore-nixos"
    ours.mkdir()
    (ours / "copyright").write_bytes((staged / "LICENSE").read_bytes())
    name = f"hypercore-nixos-{image}-{version}"
    to = root / f"usr/share/sbom/hypercore-nixos-{image}.spdx.json"
    to.parent.mkdir()
    to.write_text(json.dumps(document.json(name), indent=1) + "\n")
