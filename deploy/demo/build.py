#!/usr/bin/python3
"""Builder of one demonstration package: makes the files that the derivation's `files` (JSON) lists.

files: {output: [entry, ...]}; an entry is
  {"path": percent-encoded name below the output, "" = the output itself,
   "type": "directory" | "file" | "executable" | "symlink",
   "text": contents or link target, with @N@ = the Nth reference and @name@ = the output of that name,
   "random": [seed, bytes]   contents that compress about 3:1, a pure function of the seed,
   "zeros": bytes}
"""
import json
import os
import re

CHUNK_BYTES = 1 << 18


def write_random(file, seed, size):
    """Writes half hexadecimal noise and half repetition of it, chunk by chunk."""
    import random  # here and below: loading it takes as long as most packages do

    generator = random.Random(seed)
    while size > 0:
        noise = generator.randbytes(CHUNK_BYTES // 4).hex().encode()
        chunk = noise + noise[: CHUNK_BYTES // 4] * 2
        file.write(chunk[: min(size, CHUNK_BYTES)])
        size -= CHUNK_BYTES


def write_contents(path, entry, expand):
    with open(path, "wb") as file:
        if "text" in entry:
            file.write(expand(entry["text"]).encode())
        if "random" in entry:
            write_random(file, *entry["random"])
        for _ in range(entry.get("zeros", 0) // CHUNK_BYTES):
            file.write(bytes(CHUNK_BYTES))
    if entry["type"] == "executable":
        os.chmod(path, 0o755)


def make(root, entry, expand):
    name = entry["path"].encode()
    if b"%" in name:
        import urllib.parse

        name = urllib.parse.unquote_to_bytes(name)
    path = os.path.join(os.fsencode(root), name) if name else os.fsencode(root)
    if entry["type"] == "directory":
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if entry["type"] == "symlink":
        os.symlink(expand(entry["text"]), path)
    else:
        write_contents(path, entry, expand)


def main():
    with open(os.environ["filesPath"], encoding="utf-8") as file:
        outputs = json.load(file)
    references = os.environ["references"].split()

    def expand(text):
        def value(match):
            word = match.group(1)
            return references[int(word)] if word.isdigit() else os.environ[word]

        return re.sub(r"@(\w+)@", value, text)

    for output, entries in outputs.items():
        for entry in entries:
            make(os.environ[output], entry, expand)


main()
