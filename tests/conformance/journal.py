"""Journals: hledger, ledger and beancount must accept them and agree, per account and currency, with each other, with
the CSV file and with the trial balance."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections import defaultdict
from decimal import Decimal, InvalidOperation

from beancount import loader
from beancount.core.data import Transaction

BROKEN_MIN = 10
COLUMNS = (
    "entry,booked_on,event,source,narration,reverses,line,account,account_kind,debit,credit,currency,"
    "activity,client,document,tax_code"
).split(",")
TEXTS = ["event", "source", "narration", "activity", "client", "document", "tax_code"]


def judges():
    programs = ["hledger", *(["ledger"] if shutil.which("ledger") else []), "beancount", "csv", "trial balance"]
    return ", ".join(programs)


def documents(folder):
    """One document: every file of the folder, by name. The trial balance is that of all its journals together."""
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}
    if any(name.endswith(".hledger") for name in files):
        yield folder.name, files


def stems(files):
    return sorted({name.rsplit(".", 1)[0] for name in files if name != "trial_balance.json"})


def findings(files, scratch):
    """Every (rule, detail) that the journals break."""
    found = []
    totals = defaultdict(lambda: defaultdict(Decimal))
    counts = defaultdict(list)
    readers = {"hledger": read_hledger, "beancount": read_beancount, "csv": read_csv}
    for stem in stems(files):
        for kind, reader in readers.items():
            data = files.get(f"{stem}.{kind}")
            if data is None:
                found.append(("missing", f"{stem}.{kind}"))
                continue
            path = scratch / f"{stem}.{kind}"
            path.write_bytes(data)
            asked = [(kind, reader)]
            if kind == "hledger" and shutil.which("ledger"):
                asked.append(("ledger", read_ledger))
            for program, ask in asked:
                refused, balances, count = ask(path)
                found += [(program, detail) for detail in refused]
                for account, amount in balances.items():
                    totals[program][account] += amount
                if count is not None:
                    counts[stem].append(count)
    for stem, of_stem in counts.items():
        if len(set(of_stem)) != 1 or of_stem[0] == 0:
            found.append(("entry-count", f"{stem}: {of_stem}"))
    found += agreement(totals, files)
    return found


def agreement(totals, files):
    if "trial_balance.json" not in files:
        return [("missing", "trial_balance.json")]
    expected = {}
    for row in json.loads(files["trial_balance.json"])["accounts"]:
        # The API writes a balance as money; the small samples write it flat.
        money = row.get("balance", row)
        exponent = {"JPY": 0, "ISK": 0, "KRW": 0, "CLP": 0, "VND": 0, "KWD": 3, "BHD": 3, "TND": 3}.get(money["currency"], 2)
        expected[canonical(row["account"]), money["currency"]] = Decimal(money["amount_minor"]).scaleb(-exponent)
    expected = {account: amount for account, amount in expected.items() if amount}
    if not expected:
        return [("trial-balance-empty", "every account is zero")]
    found = []
    for program, balances in totals.items():
        balances = {account: amount for account, amount in balances.items() if amount}
        for account in sorted(expected.keys() | balances.keys()):
            if expected.get(account) != balances.get(account):
                said = f"{account}: {program} says {balances.get(account, 0)}, trial balance {expected.get(account, 0)}"
                found.append((f"{program}-disagrees", said))
    return found


def canonical(code):
    """Account codes as all programs can write them: their names differ in capitals, hyphens and separators only."""
    return code.lower().replace("_", "-").replace(":", ".")


def account_of(name):
    """The code in a name: without its tree."""
    name = canonical(name)
    for tree in ("equity.off-balance.", "assets.", "liabilities.", "equity.", "income.", "expenses."):
        if name.startswith(tree):
            return name.removeprefix(tree)
    return f"?{name}"


def ask(*command):
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return answer.returncode, answer.stdout, answer.stderr.strip()


def read_hledger(path):
    if not shutil.which("hledger"):
        return ["hledger is not installed (Debian: hledger)"], {}, None
    code, _out, error = ask("hledger", "-f", str(path), "check", "--strict", "ordereddates")
    if code:
        return [error], {}, None
    code, out, error = ask("hledger", "-f", str(path), "balance", "--flat", "--empty", "--no-total", "-O", "csv")
    balances = {}
    for name, amounts in list(csv.reader(io.StringIO(out)))[1:]:
        add(balances, name, amounts.split(", "))
    _code, printed, _error = ask("hledger", "-f", str(path), "print", "tag:^entry$", "tag:^event$", "tag:^source$")
    return ([error] if code else []), balances, len(re.findall(r"^\d{4}-\d\d-\d\d", printed, re.MULTILINE))


def read_ledger(path):
    shape = "%(account)\t%(display_total)\n"
    code, out, error = ask("ledger", "--args-only", "--strict", "-f", str(path), "balance", "--flat", "--no-total",
                           "--balance-format", shape)
    # ledger wants every tag declared, in a directive that hledger does not read: that warning alone is passed over.
    warnings = [line for line in error.splitlines() if "Unknown metadata tag" not in line]
    if code or warnings:
        return ["\n".join(warnings) or "refused"], {}, None
    balances, name = {}, ""
    for line in out.splitlines():
        before, tab, amount = line.rpartition("\t")
        name = before if tab else name
        add(balances, name, [amount.strip()])
    _code, printed, _error = ask("ledger", "--args-only", "-f", str(path), "print")
    return [], balances, len(re.findall(r"^\d{4}/\d\d/\d\d", printed, re.MULTILINE))


def add(balances, name, amounts):
    for amount in amounts:
        number, _space, currency = amount.partition(" ")
        if currency:
            key = (account_of(name), currency)
            balances[key] = balances.get(key, Decimal(0)) + Decimal(number.replace(",", ""))


def read_beancount(path):
    entries, errors, _options = loader.load_file(str(path))
    balances = defaultdict(Decimal)
    transactions = [entry for entry in entries if isinstance(entry, Transaction)]
    for transaction in transactions:
        for posting in transaction.postings:
            balances[account_of(posting.account), posting.units.currency] += posting.units.number
    with_source = sum(1 for one in transactions if {"entry", "event", "source"} <= one.meta.keys())
    return [error.message for error in errors], balances, with_source


def read_csv(path):
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))
    if not rows or list(rows[0]) != COLUMNS:
        return [f"columns are not {COLUMNS}"], {}, None
    refused, balances, entries = [], defaultdict(Decimal), defaultdict(Decimal)
    for row in rows:
        refused += [f"a formula in {name}: {row[name]!r}" for name in TEXTS if re.match("[=+\\-@\t\r\n]", row[name])]
        try:
            amount = Decimal(row["debit"]) - Decimal(row["credit"])
        except InvalidOperation:
            refused.append(f"not an amount: {row['debit']!r} or {row['credit']!r}")
            continue
        balances[canonical(row["account"]), row["currency"]] += amount
        entries[row["entry"], row["currency"]] += amount
    refused += [f"entry {entry} sums to {amount}" for (entry, _currency), amount in entries.items() if amount]
    return refused, balances, len({row["entry"] for row in rows})


def broken_copies(files):
    """(what is broken, the rule that must refuse it, the copy)."""
    stem = next(stem for stem in stems(files) if stem + ".hledger" in files)
    for kind in ("hledger", "beancount"):
        name = f"{stem}.{kind}"
        text = files[name].decode("utf-8")
        yield from broken_text(files, name, kind, text)
        if kind == "hledger" and shutil.which("ledger"):
            yield "ledger: a posting changed by a cent", "ledger", {**files, name: cents(text, [1]).encode()}
    name = f"{stem}.csv"
    rows = files[name].decode("utf-8").split("\r\n")
    change = rows[1].replace(",0.00,", ",0.01,", 1)
    yield "csv: a posting changed by a cent", "csv", {**files, name: "\r\n".join([rows[0], change, *rows[2:]]).encode()}
    yield "csv: a column moved", "csv", {**files, name: files[name].replace(b"debit,credit", b"credit,debit", 1)}
    formula = re.sub(r"^(\d+,[^,]*,)[^,]*", r"\1=1+1", rows[1])
    yield "csv: a formula", "csv", {**files, name: "\r\n".join([rows[0], formula, *rows[2:]]).encode()}
    yield "csv: a row gone", "csv", {**files, name: "\r\n".join([rows[0], *rows[2:]]).encode()}
    yield "a file gone", "missing", {other: data for other, data in files.items() if other != name}
    balance = json.loads(files["trial_balance.json"])
    monies = [row.get("balance", row) for row in balance["accounts"]]
    next(money for money in monies if money["amount_minor"])["amount_minor"] += 1
    altered = {**files, "trial_balance.json": json.dumps(balance).encode()}
    for program in ("hledger", "beancount", "csv", *(["ledger"] if shutil.which("ledger") else [])):
        yield f"{program}: a trial balance changed by a cent", f"{program}-disagrees", altered


def broken_text(files, name, kind, text):
    yield f"{kind}: a posting changed by a cent", kind, {**files, name: cents(text, [1]).encode()}
    both = cents(text, [1, -1])
    yield f"{kind}: two postings changed by a cent that balance", f"{kind}-disagrees", {**files, name: both.encode()}
    declared = re.search(r"^(account |\d{4}-\d\d-\d\d open ).*\n", text, re.MULTILINE)
    undeclared = text.replace(declared[0], "", 1)
    yield f"{kind}: an account that is not declared", kind, {**files, name: undeclared.encode()}
    # Entries are separated by empty lines; the last one goes.
    shorter = text.rstrip("\n").rsplit("\n\n", 1)[0] + "\n"
    yield f"{kind}: an entry gone", "entry-count", {**files, name: shorter.encode()}
    yield f"{kind}: text that is no journal", kind, {**files, name: (text + "\n2026-02-30 * what\n  ?\n").encode()}


def cents(text, changes):
    """The text with the first postings of its first entry, on different accounts, changed by so many cents."""
    posting = re.compile(r"^(\s+[A-Za-z][\w:-]*  )(-?\d+\.\d\d)( [A-Z]{3})$", re.MULTILINE)
    remaining = list(changes)

    def change(match):
        if not remaining:
            return match[0]
        return f"{match[1]}{Decimal(match[2]) + Decimal(remaining.pop(0)).scaleb(-2)}{match[3]}"

    changed = posting.sub(change, text)
    if remaining:
        raise SystemExit("the journal has too few postings to break")
    return changed
