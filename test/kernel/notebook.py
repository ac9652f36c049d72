"""Runs a notebook through nbclient, as `jupyter execute` and nbconvert do, and looks at the outputs it was left with."""

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

cells = [
    "const words: string[] = ['a', 'b'];\nwords.length",
    "for (let i = 0; i < 20000; i++) console.log('line', i);\nconsole.error('end');",
    "await display({ [Symbol.for('Jupyter.display')]: () => ({ 'text/html': '<i>x</i>' }) });\nwords.join('')",
    "console.log('gone'); clearOutput(); console.log('stays')",
]
notebook = new_notebook(cells=[new_code_cell(code) for code in cells])
NotebookClient(notebook, kernel_name="glmlab", timeout=60, coalesce_streams=True).execute()
nbformat.validate(notebook)

assert notebook.metadata.language_info.codemirror_mode == "typescript", notebook.metadata
first, second, third, fourth = [cell.outputs for cell in notebook.cells]
assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4]
assert first[0].data["text/plain"] == "2", first
assert [(output.name, output.text.count("\n")) for output in second] == [("stdout", 20000), ("stderr", 1)], second[0].text[:200]
assert second[0].text.startswith("line 0\nline 1\n") and second[0].text.endswith("line 19999\n")
assert [output.output_type for output in third] == ["display_data", "execute_result"], third
assert [output.text for output in fourth] == ["stays\n"], fourth

failing = new_notebook(cells=[new_code_cell(code) for code in ["const a = 1;\nnope()", "'not reached'"]])
try:
    NotebookClient(failing, kernel_name="glmlab", timeout=60).execute()
except CellExecutionError as error:
    assert "nope" in str(error), error
    assert failing.cells[0].outputs[0].output_type == "error"
    assert failing.cells[1].outputs == []
else:
    raise AssertionError("the error in the first cell did not stop the notebook")
print("notebook ok")
