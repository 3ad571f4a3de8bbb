"""check_signals.py SCHEMA: the lines of stdin, each a task signal, against the published schema.

Keys that the schema does not describe are refused as well: readers would ignore them, so they
could only be mistakes.
"""
import json
import sys

import jsonschema

schema = json.load(open(sys.argv[1]))
validator = jsonschema.Draft202012Validator(schema)
failures, count = [], 0
for line in sys.stdin:
    signal = json.loads(line)
    count += 1
    errors = [error.message for error in validator.iter_errors(signal)]
    errors += [f"{key} is not described" for key in signal if key not in schema["properties"]]
    declared = schema["properties"]["declared"]["properties"]
    errors += [f"declared.{key} is not described" for key in signal.get("declared", {}) if key not in declared]
    failures += [f"{line[:200].strip()}: {error}" for error in errors]
print("\n".join(failures) or f"{count} signals hold")
sys.exit(1 if failures or count == 0 else 0)
