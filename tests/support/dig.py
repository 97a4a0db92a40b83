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
    arguments = [tool("dig"), f"@{address}", "-p", port, "+yaml", "+tries=1", f"+timeout={TIMEOUT_SECONDS}", "+nocookie"]
    done = run([*arguments, *flags, "-q", name, "-t", type], timeout=TIMEOUT_SECONDS + 10, check=False)
    if done.returncode != 0:
        raise AssertionError(f"dig {name} {type}: no answer\n{done.stdout}{done.stderr}")
    documents = yaml.load(done.stdout, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    return _parse(documents[-1]["message"]["response_message_data"])


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
