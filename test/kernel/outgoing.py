"""Reads a notebook from standard input, and writes it as Jupyter does when it saves one: UTF-8 that fits nbformat's schema."""

import sys

import nbformat

notebook = nbformat.reads(sys.stdin.buffer.read().decode("utf-8"), as_version=4)
nbformat.validate(notebook)
nbformat.writes(notebook).encode("utf-8")
print("notebook ok")
