/** @file Values as Python writes them, which ChatGLM3 was trained to read and to write: calls, literals, json.dumps. */

/** A call as `ast` prints it: `tool_call(city='北京', days=3)`. */
export function pythonCall(name: string, parameters: Readonly<Record<string, unknown>>): string {
  const written = Object.entries(parameters).map(([key, value]) => `${key}=${literal(value)}`);
  return `${name}(${written.join(", ")})`;
}

/** As `json.dumps(value, ensure_ascii=False)` writes it. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value)
      .map(([key, one]) => `${JSON.stringify(key)}: ${pythonJson(one)}`)
      .join(", ")}}`;
  }
  return typeof value === "number" ? figure(value) : JSON.stringify(value);
}

/** As `repr` writes what JSON holds. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value)
      .map(([key, one]) => `${quoted(key)}: ${literal(one)}`)
      .join(", ")}}`;
  }
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return figure(value);
  return value === null ? "None" : value === true ? "True" : "False";
}

/** Below this, Python writes an exponent. */
const SMALLEST_PLAIN = 1e-4;

/** JavaScript does not tell 1.0 from 1: whole numbers are written as such. */
function figure(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "0" : String(value);
  const size = Math.abs(value);
  const text = size < SMALLEST_PLAIN || size >= 1e16 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** In single quotes, unless only double ones need no escape. What does not print is escaped by its code. */
function quoted(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(/[\\\n\r\t]|['"]|(?! )[\p{C}\p{Z}]/gu, (one) => {
    if (one === "'" || one === '"') return one === mark ? `\\${one}` : one;
    return ESCAPES[one] ?? escaped(one.codePointAt(0) as number);
  });
  return mark + inner + mark;
}

function escaped(code: number): string {
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
