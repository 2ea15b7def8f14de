#!/usr/bin/env python3
"""Lists public declarations of Sources/ that nothing else names: neither sources, nor tests, nor the kernel.

    swift build --build-tests && Scripts/unused-surface.py

It reads the index that a debug build leaves behind, so a use is one that the compiler has resolved, and a name that two
declarations share serves one of them alone. What the index does not have (the nested packages, code for bare metal) is
searched as text. A declaration that a protocol asks for is used by whoever uses the protocol, which no index says:
`known` names those that were looked at.
"""
import ctypes
import glob
import os
import re
import shutil
import sys

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
store_path = os.path.join(root, ".build/x86_64-unknown-linux-gnu/debug/index/store")
compiler = shutil.which("swiftc") or sys.exit("no swiftc in PATH")
usr = os.path.dirname(os.path.dirname(os.path.realpath(compiler)))
library = os.environ.get("INDEXSTORE") or os.path.join(usr, "lib/libIndexStore.so")

# Called by the compiler or through a protocol of the standard library.
known = re.compile(r"^(==|<|hash\(into:\)|rawValue|description|init\(rawValue:\)|getter:|setter:)")
DEFINITION, REFERENCE = 1 << 1, 1 << 2
PARAMETER = 25

lib = ctypes.CDLL(library)


class Text(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    def __str__(self):
        return ctypes.string_at(self.data, self.length).decode()


Body = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)
TextBody = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, Text)
pointer = ctypes.c_void_p


def function(name, result, *arguments):
    value = getattr(lib, "indexstore_" + name)
    value.restype, value.argtypes = result, arguments
    return value


create = function("store_create", pointer, ctypes.c_char_p, pointer)
units = function("store_units_apply_f", ctypes.c_bool, pointer, ctypes.c_uint, pointer, TextBody)
open_unit = function("unit_reader_create", pointer, pointer, ctypes.c_char_p, pointer)
main_file = function("unit_reader_get_main_file", Text, pointer)
dependencies = function("unit_reader_dependencies_apply_f", ctypes.c_bool, pointer, pointer, Body)
dependency_kind = function("unit_dependency_get_kind", ctypes.c_uint, pointer)
dependency_name = function("unit_dependency_get_name", Text, pointer)
dependency_file = function("unit_dependency_get_filepath", Text, pointer)
open_record = function("record_reader_create", pointer, pointer, ctypes.c_char_p, pointer)
occurrences = function("record_reader_occurrences_apply_f", ctypes.c_bool, pointer, pointer, Body)
symbol = function("occurrence_get_symbol", pointer, pointer)
roles = function("occurrence_get_roles", ctypes.c_uint64, pointer)
place = function(
    "occurrence_get_line_col", None, pointer, ctypes.POINTER(ctypes.c_uint), ctypes.POINTER(ctypes.c_uint)
)
symbol_kind = function("symbol_get_kind", ctypes.c_uint, pointer)
symbol_name = function("symbol_get_name", Text, pointer)
symbol_usr = function("symbol_get_usr", Text, pointer)

store = create(store_path.encode(), None)
if not store:
    sys.exit("no index at " + store_path + ": run swift build --build-tests first")

records = {}
names = []
units(store, 0, None, TextBody(lambda _, name: names.append(str(name)) or True))
for name in names:
    unit = open_unit(store, name.encode(), None)

    def dependency(_, item):
        if dependency_kind(item) == 2 and str(dependency_file(item)).startswith(root):
            records[str(dependency_name(item))] = str(dependency_file(item))
        return True

    dependencies(unit, None, Body(dependency))

definitions, uses = {}, {}
for record, path in records.items():
    reader = open_record(store, record.encode(), None)

    def occurrence(_, item):
        usr, what = str(symbol_usr(symbol(item))), roles(item)
        line, column = ctypes.c_uint(), ctypes.c_uint()
        place(item, ctypes.byref(line), ctypes.byref(column))
        if what & DEFINITION and symbol_kind(symbol(item)) != PARAMETER and path.startswith(os.path.join(root, "Sources")):
            definitions[usr] = (path, line.value, str(symbol_name(symbol(item))))
        if what & REFERENCE:
            uses.setdefault(usr, set()).add((path, line.value))
        return True

    if reader:
        occurrences(reader, None, Body(occurrence))

elsewhere = ""
for folder in ("Kernel/Sources", "Tool/Sources", "Examples", "Benchmarks", "Fuzzing", "Sources/BareMetal"):
    for path in glob.glob(os.path.join(root, folder, "**/*.swift"), recursive=True):
        with open(path) as file:
            elsewhere += re.sub(r"//[^\n]*", "", file.read())


def declared(name, text):
    """Whether a line declares a name for others: no parameter of a function or case, no memberwise initializer."""
    word = re.escape(re.split(r"[(:]", name)[0])
    return re.search(r"\bpublic\b.*\b(func|var|let|struct|enum|class|protocol|typealias|init)\b.*\b%s\b" % word, text) or (
        re.search(r"\bcase\b[^(]*\b%s\b" % word, text) and "case ." not in text)


found = []
lines = {}
for usr, (path, line, name) in definitions.items():
    if path not in lines:
        with open(path) as file:
            lines[path] = file.read().split("\n")
    text = lines[path][line - 1]
    if not declared(name, text) or known.match(name):
        continue
    if [use for use in uses.get(usr, ()) if use != (path, line)]:
        continue
    word = re.split(r"[(:]", name)[0]
    named = re.search(r"\b%s\b" % re.escape(word), elsewhere)
    # Where several share the name, the text does not say which of them it means.
    same = sum(1 for other in definitions.values() if re.split(r"[(:]", other[2])[0] == word)
    note = "" if not named else " (the name is in the nested packages)"
    if not named or same > 1 or word == "init":
        found.append("%s:%d: %s%s" % (os.path.relpath(path, root), line, name, note))
print("\n".join(sorted(found)) or "nothing is unused")
