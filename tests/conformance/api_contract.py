"""Asks schemathesis whether a running service keeps to its API description.

    api_contract.py [BASE_URL TOKEN]

Without arguments it starts `umbel serve` (UMBEL_BIN, or target/debug/umbel) on a free loopback port with a data folder
of its own, adds somebody with every role of the office and asks as them. What is generated both fits the description
and does not; a failure of the service, a status, media type or body that is not described is a finding.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Fewer cases than this mean that the runner looked at nothing.
CASES_MIN = 500
ROLES = ("reviewer", "payout_approver", "accountant", "administrator")
# These would end the session that asks, or the roles of the person that asks.
LEFT_OUT = "^/v1/(me/password|sessions/.*revoke|role_grants)"
# The run takes a minute or two; one that hangs is ended.
SECONDS_MAX = 600


def main(arguments):
    if len(arguments) == 2:
        return judge(*arguments)
    with tempfile.TemporaryDirectory() as folder:
        return with_service(Path(folder))


def with_service(folder):
    umbel = os.environ.get("UMBEL_BIN", str(ROOT / "target/debug/umbel"))
    # PostgreSQL may run as another user than we do, who must be able to pass through the folder.
    folder.chmod(0o755)
    many = {f"UMBEL_{name}": "1000000" for name in ("READS_PER_MINUTE", "WRITES_PER_MINUTE", "SIGN_INS_PER_ADDRESS")}
    settings = {
        **os.environ,
        **many,
        "UMBEL_DATA": str(folder / "data"),
        "UMBEL_LISTEN": f"127.0.0.1:{free_port()}",
        "UMBEL_METRICS_LISTEN": "off",
        "RUST_LOG": "error",
    }
    base = f"http://{settings['UMBEL_LISTEN']}"
    with open(folder / "log", "wb") as log:
        service = subprocess.Popen([umbel, "serve"], env=settings, stdout=log, stderr=log)
    try:
        wait_for(f"{base}/readyz", service)
        roles = [part for role in ROLES for part in ("--role", role)]
        add = [umbel, "user", "--email", "judge@umbel.example", "--name", "Judge", *roles]
        printed = subprocess.run(add, env=settings, check=True, capture_output=True, text=True).stdout
        credentials = {"email": "judge@umbel.example", "password": printed.strip().rsplit(" ", 1)[1]}
        token = post(f"{base}/v1/sessions", credentials)["access_token"]
        return judge(base, token)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=30)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url, service):
    until = time.monotonic() + 60
    while time.monotonic() < until and service.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the service did not start")


def post(url, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def judge(base, token):
    """1 if anything was found, or nothing was looked at."""
    schemathesis = Path(sys.executable).parent / "schemathesis"
    command = [
        str(schemathesis if schemathesis.exists() else shutil.which("schemathesis")), "run", f"{base}/openapi.json",
        "--header", f"Authorization: Bearer {token}", "--checks", CHECKS, "--phases", "examples,fuzzing",
        "--max-examples", "10", "--continue-on-failure", "--no-shrink", "--warnings", "off", "--seed", "1",
        "--workers", "2", "--exclude-path-regex", LEFT_OUT, "--suppress-health-check", "all",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        ran = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=SECONDS_MAX)
    found = re.search(r"(\d+) generated", ran.stdout)
    cases = int(found.group(1)) if found else 0
    operations = re.search(r"Tested:\s+(\d+)", ran.stdout)
    if ran.returncode != 0 or cases < CASES_MIN:
        print(ran.stdout[-20_000:], ran.stderr[-2_000:], sep="\n")
    verdict = "none" if ran.returncode == 0 else "see above"
    print(f"api: {cases} requests to {operations.group(1) if operations else 0} operations by schemathesis; findings: {verdict}")
    return 0 if ran.returncode == 0 and cases >= CASES_MIN else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
