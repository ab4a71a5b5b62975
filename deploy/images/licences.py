"""Licences as SPDX says them, out of Debian's machine-readable copyright files (DEP 5)."""
import re

# Debian's short names that mean exactly one licence of SPDX's list; all others are quoted with their text.
SPDX = {name.lower(): identifier for name, identifier in {
    "0BSD": "0BSD", "AGPL-3": "AGPL-3.0-only", "AGPL-3+": "AGPL-3.0-or-later", "Apache-2": "Apache-2.0", "Apache-2.0": "Apache-2.0",
    "Artistic-2.0": "Artistic-2.0", "BSD-2-clause": "BSD-2-Clause", "BSD-2-Clause-FreeBSD": "BSD-2-Clause-FreeBSD",
    "BSD-3-clause": "BSD-3-Clause", "BSD-4-clause-UC": "BSD-4-Clause-UC", "BSL-1.0": "BSL-1.0", "Boost-1.0": "BSL-1.0", "CC0": "CC0-1.0",
    "CC0-1.0": "CC0-1.0", "CC-BY-3.0": "CC-BY-3.0", "CC-BY-4.0": "CC-BY-4.0", "CC-BY-SA-3.0": "CC-BY-SA-3.0", "CC-BY-SA-4.0": "CC-BY-SA-4.0",
    "Expat": "MIT", "FSFAP": "FSFAP", "FSFUL": "FSFUL", "FSFULLR": "FSFULLR", "GFDL-1.3": "GFDL-1.3-only", "GFDL-1.3+": "GFDL-1.3-or-later",
    "GPL-1": "GPL-1.0-only", "GPL-1+": "GPL-1.0-or-later", "GPL-2": "GPL-2.0-only", "GPL-2.0": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later",
    "GPL-2.0+": "GPL-2.0-or-later", "GPL-3": "GPL-3.0-only", "GPL-3.0": "GPL-3.0-only", "GPL-3+": "GPL-3.0-or-later",
    "GPL-3.0+": "GPL-3.0-or-later", "ISC": "ISC", "LGPL-2": "LGPL-2.0-only", "LGPL-2.0": "LGPL-2.0-only", "LGPL-2+": "LGPL-2.0-or-later",
    "LGPL-2.0+": "LGPL-2.0-or-later", "LGPL-2.1": "LGPL-2.1-only", "LGPL-2.1+": "LGPL-2.1-or-later", "LGPL-3": "LGPL-3.0-only",
    "LGPL-3.0": "LGPL-3.0-only", "LGPL-3+": "LGPL-3.0-or-later", "LGPL-3.0+": "LGPL-3.0-or-later", "MIT": "MIT", "MPL-1.1": "MPL-1.1",
    "MPL-2.0": "MPL-2.0", "NTP": "NTP", "OpenLDAP-2.8": "OLDAP-2.8", "OLDAP-2.8": "OLDAP-2.8", "OpenSSL": "OpenSSL", "PostgreSQL": "PostgreSQL",
    "Unlicense": "Unlicense", "WTFPL": "WTFPL", "X11": "X11", "Zlib": "Zlib", "curl": "curl",
}.items()}


def paragraphs(text):
    """[{field: [first line, further lines...]}]"""
    found = []
    for block in re.split(r"\n[ \t]*\n", text):
        fields, last = {}, None
        for line in block.splitlines():
            head = re.match(r"([A-Za-z-]+):\s*(.*)$", line)
            if head:
                last = head[1].lower()
                fields.setdefault(last, []).append(head[2].strip())
            elif last and line[:1].isspace():
                fields[last].append(line.strip())
        found.append(fields)
    return found


class Licence:
    """What a copyright file declares. expression: SPDX, or NOASSERTION; quoted: {LicenseRef: (name, text)}."""

    def __init__(self, owner, text):
        self.quoted = {}
        self.expression = "NOASSERTION"
        self._owner = owner
        found = paragraphs(text)
        if "copyright-format" not in text.split("\n\n")[0]:
            return  # prose, made for people
        self._texts = {fields["license"][0]: "\n".join(fields["license"][1:]) for fields in found if len(fields.get("license", [])) > 1}
        named = [fields["license"][0] for fields in found if "files" in fields and fields.get("license", [""])[0]]
        expressions = sorted({self._expression(name) for name in named})
        if expressions:
            self.expression = " AND ".join(f"({one})" if " OR " in one and len(expressions) > 1 else one for one in expressions)

    def _expression(self, name):
        # "A or B, and C": the comma has a meaning that SPDX's words have not.
        if "," in name:
            return self._one(name)
        words = re.split(r"\s+(and|or)\s+", name, flags=re.IGNORECASE)
        operators = {word.upper() for word in words[1::2]}
        if len(operators) > 1:
            return self._one(name)
        return f" {''.join(operators)} ".join(self._one(word) for word in words[0::2]) if operators else self._one(name)

    def _one(self, name):
        known = SPDX.get(name.strip().lower())
        if known:
            return known
        reference = "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", f"{self._owner}-{name.strip()}").strip("-")
        text = self._texts.get(name) or f"See /usr/share/doc/{self._owner}/copyright."
        self.quoted[reference] = (name.strip(), text)
        return reference
