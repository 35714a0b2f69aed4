"""Judges a folder of documents and of copies broken on purpose. Exit code 0 only if every verdict is the right one."""

import sys
import tempfile
from pathlib import Path

import cii_file
import facturx_file
import journal
import pages_file
import pain001_file
import ubl_file

KINDS = {
    "pain001": pain001_file,
    "journal": journal,
    "ubl": ubl_file,
    "cii": cii_file,
    "facturx": facturx_file,
    "documents": pages_file,
}
# Neither the golden samples nor the demonstration have them: asked for by name, or found.
OPTIONAL = {"facturx", "documents"}


def main(arguments):
    folder = Path(arguments[0])
    kinds = arguments[1:] or [kind for kind in KINDS if kind not in OPTIONAL or (folder / kind).is_dir()]
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(KINDS)}", file=sys.stderr)
        return 2
    wrong = 0
    for kind in kinds:
        wrong += judge(kind, folder / kind)
    return 1 if wrong else 0


def judge(kind, folder):
    """The number of wrong verdicts on the documents of one kind."""
    module = KINDS[kind]
    good, broken, wrong = 0, 0, []
    # Where a verdict takes long, only the first documents are broken: the faults are the same ones each time.
    breakable = getattr(module, "BROKEN_DOCUMENTS", sys.maxsize)
    unused = {what for what, _rule, _change in getattr(module, "BREAKS", ())}
    with tempfile.TemporaryDirectory() as scratch:
        for name, document in module.documents(folder):
            good += 1
            findings = module.findings(document, Path(scratch))
            wrong += [f"{name} is refused: {rule}: {detail}" for rule, detail in findings]
            for what, rule, copy in module.broken_copies(document):
                # A fault that no document before could have is tried on whichever first can.
                if good > breakable and what not in unused:
                    continue
                unused.discard(what)
                broken += 1
                found = {rule for rule, _detail in module.findings(copy, Path(scratch))}
                if rule not in found:
                    wrong.append(f"{name} with {what} is not refused by {rule}, only by {sorted(found) or 'nothing'}")
    if good == 0:
        wrong.append(f"nothing to check in {folder}")
    elif broken < module.BROKEN_MIN * min(good, breakable):
        wrong.append(f"{broken} broken copies of {good} documents, fewer than {module.BROKEN_MIN} each")
    for line in wrong:
        print(f"{kind}: {line}")
    print(f"{kind}: {good} documents judged by {module.judges()}; {broken} broken copies; {len(wrong)} wrong verdicts")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
