"""dig, as a function: its words in, a parsed answer out."""

import json
import re

import yaml

from support.dns import Answer, Record
from support.processes import run, tool

# An answer that takes longer than this has failed its test anyway.
TIMEOUT_SECONDS = 5


def dig(port, name, type="A", *flags, address="127.0.0.1"):
    """dig(5353, "web.shop.svc.cluster.local", "SRV", "+tcp") -> Answer. Raises AssertionError when none came."""
    return dig_all(port, [(name, type)], *flags, address=address)[0]


def dig_all(port, questions, *flags, address="127.0.0.1"):
    """Asks (name, type) after (name, type) in one process, and returns as many Answers."""
    arguments = [tool("dig"), f"@{address}", "-p", port]
    for name, type in questions:
        # What is said before the first question holds for all, of what stands behind it for one alone.
        arguments += ["-q", name, "-t", type, "+yaml", "+tries=1", f"+timeout={TIMEOUT_SECONDS}", "+nocookie", *flags]
    done = run(arguments, timeout=(TIMEOUT_SECONDS + 1) * len(questions) + 10, check=False)
    answers = []
    for document in yaml.load_all(done.stdout, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
        entries = document if isinstance(document, list) else [document]
        answers += [_parse(entry["message"]["response_message_data"]) for entry in entries]
    if done.returncode != 0 or len(answers) != len(questions):
        raise AssertionError(f"dig {questions}: {len(answers)} answers\n{done.stdout}{done.stderr}")
    return answers


def dig_zone(port, zone, address="127.0.0.1"):
    """All records of a zone by AXFR, without the SOA at its end. Raises AssertionError when dig did not get it whole."""
    done = run([tool("dig"), f"@{address}", "-p", port, zone, "AXFR", "+noall", "+answer", "+tries=1",
                f"+timeout={TIMEOUT_SECONDS}", "+nocookie"], timeout=60, check=False)
    records = _records(line for line in done.stdout.splitlines() if line and not line.startswith(";"))
    if len(records) < 2 or records[0].type != "SOA" or records.pop() != records[0]:
        raise AssertionError(f"dig {zone} AXFR: no whole zone\n{done.stdout}{done.stderr}")
    return records


def _parse(message):
    additional_opt = (message.get("OPT_PSEUDOSECTION") or {}).get("EDNS") or {}
    return Answer(
        rcode=message["status"],
        flags=set(message["flags"].split()),
        question=(message.get("QUESTION_SECTION") or [""])[0],
        answer=_records(message.get("ANSWER_SECTION")),
        authority=_records(message.get("AUTHORITY_SECTION")),
        additional=_records(message.get("ADDITIONAL_SECTION")),
        extended_errors=_extended_errors(additional_opt),
    )


def _records(lines):
    records = []
    for line in lines or []:
        # "name ttl class type data"; the class is always IN here.
        name, ttl, _, type, data = re.split(r"\s+", line, maxsplit=4)
        records.append(Record(name, int(ttl), type, data))
    return records


def _extended_errors(edns):
    found = edns.get("EDE") or []
    found = found if isinstance(found, list) else [found]
    return [(int(entry["INFO-CODE"].split()[0]), _unquoted(entry.get("EXTRA-TEXT", ""))) for entry in found]


def _unquoted(text):
    return json.loads(text) if text.startswith('"') else text
