# SPDX-License-Identifier: GPL-2.0-or-later
# Checks a JSON value against a QAPI schema of ours, so that every test that sees a reply can hold
# it to the wire contract in qapi/. Reads the part of QEMU's schema language those files use: structs,
# enums, commands. Run as a program it tests itself:
#   qapi_schema.py --self-test
#   qapi_schema.py SCHEMA COMMAND [request|reply] <VALUE.json
import ast
import json
import re
import sys

INTEGERS = {"int": (-2**63, 2**63 - 1), "size": (0, 2**64 - 1)}
for _bits in (8, 16, 32, 64):
    INTEGERS[f"int{_bits}"] = (-2**(_bits - 1), 2**(_bits - 1) - 1)
    INTEGERS[f"uint{_bits}"] = (0, 2**_bits - 1)
KINDS = ("struct", "enum", "command", "event")


class SchemaError(Exception):
    """The schema itself is wrong, or a name is not in it."""


def _expressions(text):
    """The schema's { … } expressions. Apart from true and false they are Python literals."""
    tokens = re.findall(r"#[^\n]*|'[^'\n]*'|[{}\[\]:,]|true|false|\S", text)
    words = {"true": "True", "false": "False"}
    depth, current = 0, []
    for token in tokens:
        if token.startswith("#"):
            continue
        depth += (token in "{[") - (token in "}]")
        current.append(words.get(token, token))
        if depth == 0:
            try:
                yield ast.literal_eval("".join(current))
            except (SyntaxError, ValueError) as e:
                raise SchemaError(f"cannot read {''.join(current)[:60]}: {e}") from e
            current = []
    if current:
        raise SchemaError("the last expression is not closed")


class Schema:
    def __init__(self, *texts):
        self._types, self._commands = {}, {}
        for expression in (e for text in texts for e in _expressions(text)):
            kind = next((k for k in KINDS if k in expression), None)
            if kind is None:
                if {"include", "pragma"} & set(expression):
                    continue
                raise SchemaError(f"not understood: {expression}")
            into = self._commands if kind == "command" else self._types
            if expression[kind] in into:
                raise SchemaError(f"{expression[kind]} is defined twice")
            into[expression[kind]] = expression
        for owner in (*self._types.values(), *self._commands.values()):
            self._check_names(owner)

    @classmethod
    def load(cls, *paths):
        texts = []
        for path in paths:
            with open(path, encoding="utf-8") as f:
                texts.append(f.read())
        return cls(*texts)

    def _check_names(self, owner):
        members = owner["data"].values() if isinstance(owner.get("data"), dict) else []
        for used in (*members, owner.get("returns"), owner.get("base")):
            used = used["type"] if isinstance(used, dict) else used
            used = used[0] if isinstance(used, list) else used
            if used and used not in self._types and used not in INTEGERS \
                    and used not in ("str", "bool", "number", "any"):
                raise SchemaError(f"{owner} uses the unknown type {used}")

    def _command(self, name):
        if name not in self._commands:
            raise SchemaError(f"no command {name}")
        return self._commands[name]

    def reply_errors(self, command, value):
        """What is wrong with a command's return value: a list, empty when nothing is."""
        returns = self._command(command).get("returns")
        return self._check("return", value, returns) if returns else \
            self._members("return", value, {})

    def request_errors(self, command, arguments):
        return self._members("arguments", arguments, self._fields(self._command(command)))

    def check_reply(self, command, value):
        """Raises AssertionError with all errors; returns the value."""
        errors = self.reply_errors(command, value)
        assert not errors, f"reply of {command} breaks its schema:\n" + "\n".join(errors)
        return value

    def _fields(self, definition):
        data = definition.get("data", {})
        if isinstance(data, str):
            return self._fields(self._types[data])
        base = definition.get("base")
        return {**(self._fields(self._types[base]) if base else {}), **data}

    def _members(self, path, value, fields):
        if not isinstance(value, dict):
            return [f"{path}: an object was expected, not {_shown(value)}"]
        errors, known = [], set()
        for name, kind in fields.items():
            optional, name = name.startswith("*"), name.lstrip("*")
            known.add(name)
            if name in value:
                kind = kind["type"] if isinstance(kind, dict) else kind
                errors += self._check(f"{path}.{name}", value[name], kind)
            elif not optional:
                errors.append(f"{path}.{name}: missing")
        return errors + [f"{path}.{name}: not in the schema" for name in value if name not in known]

    def _check(self, path, value, kind):
        if isinstance(kind, list):
            if not isinstance(value, list):
                return [f"{path}: an array was expected, not {_shown(value)}"]
            return [e for i, v in enumerate(value) for e in self._check(f"{path}[{i}]", v, kind[0])]
        if kind in INTEGERS:
            if isinstance(value, bool) or not isinstance(value, int):
                return [f"{path}: an integer was expected, not {_shown(value)}"]
            low, high = INTEGERS[kind]
            return [] if low <= value <= high else [f"{path}: {value} does not fit {kind}"]
        if kind == "any":
            return []
        plain = {"str": str, "bool": bool, "number": (int, float)}.get(kind)
        if plain:
            good = isinstance(value, plain) and (kind == "bool" or not isinstance(value, bool))
            return [] if good else [f"{path}: {kind} was expected, not {_shown(value)}"]
        definition = self._types[kind]
        if "enum" in definition:
            names = [n["name"] if isinstance(n, dict) else n for n in definition["data"]]
            return [] if value in names else [f"{path}: {_shown(value)} is not one of {names}"]
        return self._members(path, value, self._fields(definition))


def _shown(value):
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def self_test():
    schema = Schema("""
        # a comment with 'quotes' and { braces
        { 'enum': 'Colour', 'data': ['red', {'name': 'blue'}] }
        { 'struct': 'Base', 'data': { 'id': 'uint8' } }
        { 'struct': 'Thing', 'base': 'Base',  # at the end of a line
          'data': { '*name': 'str', 'n': 'int', 'big': 'uint64', 'on': 'bool',
                    'colours': ['Colour'], '*x': {'type': 'number', 'if': 'A'} } }
        { 'command': 'get', 'data': { '*a': ['int'] }, 'returns': ['Thing'] }
        { 'command': 'nothing', 'allow-preconfig': true }
        """)
    good = {"id": 255, "n": -2**63, "big": 2**64 - 1, "on": False, "colours": ["red", "blue"]}

    def one_error(change, expected):
        value = {k: v for k, v in {**good, **change}.items() if v is not None}
        errors = schema.reply_errors("get", [value])
        assert len(errors) == 1 and errors[0].startswith(f"return[0].{expected}"), errors

    assert schema.reply_errors("get", [good, {**good, "name": "x", "x": 1.5}]) == []
    assert schema.reply_errors("get", []) == []
    assert schema.reply_errors("nothing", {}) == []
    assert schema.request_errors("get", {"a": [1]}) == []
    assert schema.request_errors("get", {"b": 1}) == ["arguments.b: not in the schema"]
    assert schema.reply_errors("get", {})[0].startswith("return: an array")
    one_error({"id": 256}, "id: 256 does not fit")
    one_error({"id": -1}, "id: -1 does not fit")
    one_error({"id": None}, "id: missing")
    one_error({"n": 2**63}, "n: 9223372036854775808 does not fit")
    one_error({"big": 2**64}, "big: 18446744073709551616 does not fit")
    one_error({"big": 1.0}, "big: an integer")
    one_error({"big": True}, "big: an integer")
    one_error({"on": 1}, "on: bool")
    one_error({"name": 1}, "name: str")
    one_error({"x": True}, "x: number")
    one_error({"colours": "red"}, "colours: an array")
    one_error({"colours": ["red", "green"]}, "colours[1]: \"green\" is not one of")
    one_error({"extra": 1}, "extra: not in the schema")
    for broken in ("{ 'struct': 'A', 'data': { 'b': 'Unknown' } }", "{ 'struct': 'A'",
                   "{ 'struct': 'A' } { 'struct': 'A' }", "{ 'oops': 'A' }"):
        try:
            Schema(broken)
        except SchemaError:
            continue
        raise AssertionError(f"accepted: {broken}")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        print("1..1\nok 1 - qapi_schema")
        return 0
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: qapi_schema.py SCHEMA COMMAND [request|reply] <VALUE | --self-test")
    schema = Schema.load(sys.argv[1])
    check = schema.request_errors if sys.argv[3:] == ["request"] else schema.reply_errors
    errors = check(sys.argv[2], json.load(sys.stdin))
    print("\n".join(errors), end="\n" if errors else "")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
