"""The public conformance suite for Jupyter kernels (PyPI: jupyter_kernel_test), with samples in TypeScript."""

import unittest

import jupyter_kernel_test


class GlmlabTests(jupyter_kernel_test.KernelTests):
    kernel_name = "glmlab"
    language_name = "typescript"
    file_extension = ".ts"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The suite allows 15 seconds a cell, and the first one waits for TypeScript: too short on a busy machine.
        cls.kc.execute_interactive("1", timeout=120)

    code_hello_world = 'console.log("hello, world")'
    code_stderr = 'console.error("oh")'
    code_generate_error = 'throw new Error("as asked")'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"a" + "b"', "result": "'ab'"},
        {"code": "await Promise.resolve([1, 2])", "result": "[ 1, 2 ]"},
    ]
    code_display_data = [
        {"code": 'await display({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "<b>x</b>" }) })', "mime": "text/html"},
    ]
    completion_samples = [
        {"text": "Number.MAX_S", "matches": ["MAX_SAFE_INTEGER"]},
        {"text": "JSON.str", "matches": ["stringify"]},
    ]
    complete_code_samples = ["1", "const a = 1;", "function f() { return 1; }"]
    incomplete_code_samples = ["function f() {", "const a = ["]
    invalid_code_samples = []
    code_clear_output = "clearOutput({ wait: true })"
    code_page_something = 'await page("a page of help")'
    code_inspect_sample = "Math.max"
    code_history_pattern = "6 *"
    supported_history_operations = ("tail", "range", "search")


class GlmlabIopubWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "glmlab"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
