/** @file Magics that IPython has and we have not: what to write instead. */

/** What to write, given the rest of the magic's line. */
type Remedy = (rest: string) => string;

/** A command of the shell as TypeScript that prints what it prints. */
function shellCode(command: string): string {
  const text = JSON.stringify(command);
  return `console.log((await import("node:child_process")).execSync(${text}, { encoding: "utf8" }))`;
}

/** What to write for a command of the shell. */
export function shellRemedy(command: string): string {
  const [program = "", ...rest] = command.trim().split(/\s+/);
  const last = rest.filter((word) => !word.startsWith("-")).at(-1);
  switch (program) {
    case "cd":
      return `Write: ${directoryCode(rest.join(" "))}`;
    case "pwd":
      return "Write: process.cwd()";
    case "pip":
    case "pip3":
    case "conda":
    case "mamba":
      return `It brings packages for Python; those for cells are npm's. In a terminal, in the notebook's folder: npm install ${last ?? "NAME"}. Or write: ${shellCode(`npm install ${last ?? "NAME"}`)}`;
    default:
      return `Write: ${shellCode(command.trim())}`;
  }
}

function directoryCode(folder: string): string {
  if (folder === "" || folder === "~") return "process.chdir(process.env.HOME!)";
  return `process.chdir(${JSON.stringify(folder.replace(/^(["'])(.*)\1$/, "$2"))})`;
}

const shell =
  (program: string): Remedy =>
  (rest) =>
    shellRemedy(`${program} ${rest}`);

const timed: Remedy = (rest) =>
  `Write: console.time("cell"); ${rest === "" ? "..." : `${rest.replace(/;$/, "")};`} console.timeEnd("cell")`;

const repeated: Remedy = (rest) => {
  const code = rest.replace(/^(-\w+\s*\d*\s+)+/, "").replace(/;$/, "");
  return `Write: console.time("1000 times"); for (let i = 0; i < 1000; i++) ${code || "..."}; console.timeEnd("1000 times")`;
};

const charts: Remedy = () =>
  'Charts need no preparation. Write: display.mime({ "application/vnd.vegalite.v5+json": { data, mark, encoding } }), display.svg(text) or display.png(bytes)';

const variables: Remedy = () => "Tab lists the notebook's variables. Write: console.log(name) for the value of one";

const reload: Remedy = () =>
  'Local files that have changed are read again by themselves when a cell imports them again: import { f } from "./file.ts"';

const environment: Remedy = (rest) => {
  const [, name, value] = /^(\w+)\s*[=\s]\s*(.+)$/.exec(rest) ?? [];
  if (name !== undefined && value !== undefined) return `Write: process.env.${name} = ${JSON.stringify(value)}`;
  return `Write: process.env${/^\w+$/.test(rest) ? `.${rest}` : ""}`;
};

const file: Remedy = (rest) => `Write: await import(${JSON.stringify(`./${rest.split(/\s+/)[0] || "file.ts"}`)})`;

const inspector: Remedy = () =>
  "An error shows its place in the cell. Write: console.log(...) beside it, or console.trace() for the calls that led there";

const LINE: Readonly<Record<string, Remedy>> = {
  ...Object.fromEntries(
    [
      "cd",
      "pwd",
      "ls",
      "ll",
      "cat",
      "mkdir",
      "rmdir",
      "rm",
      "cp",
      "mv",
      "less",
      "more",
      "man",
      "pip",
      "conda",
      "mamba",
    ].map((program) => [program, shell(program)]),
  ),
  sx: (rest) => shellRemedy(rest),
  system: (rest) => shellRemedy(rest),
  npm: shell("npm"),
  time: timed,
  timeit: repeated,
  prun: timed,
  matplotlib: charts,
  pylab: charts,
  who: variables,
  who_ls: variables,
  whos: variables,
  reset: () => "Restart the kernel: it forgets all variables (models and adapters stay in the runtime)",
  reload_ext: reload,
  load_ext: reload,
  autoreload: reload,
  env: environment,
  set_env: environment,
  run: file,
  load: (rest) =>
    `Write: console.log((await import("node:fs")).readFileSync(${JSON.stringify(rest || "file")}, "utf8"))`,
  debug: inspector,
  pdb: inspector,
  xmode: inspector,
  tb: inspector,
  magic: () => "Write: %lsmagic",
  quickref: () => "Write: %lsmagic, or %NAME --help for one of them",
  history: () => "The front end has the history: the cells, and the arrow keys in a console",
  pinfo: (rest) => inspectRemedy(rest),
  pinfo2: (rest) => inspectRemedy(rest),
  psearch: (rest) => inspectRemedy(rest),
  precision: () => "Write: value.toFixed(3)",
  config: () => "Options belong to the magics here: %NAME --help lists them",
  html: (rest) => `Write: display.html(${JSON.stringify(rest || "<b>...</b>")})`,
};

const shown =
  (method: string): Remedy =>
  () =>
    `Write: display.${method}(\`...\`)`;

const shellCell: Remedy = () => `Write, with the commands in its text: ${shellCode("ls; pwd")}`;
const script: Remedy = () => "Cells are TypeScript, which JavaScript is as well: leave the line out";
const python: Remedy = () =>
  "Cells are TypeScript. Use a notebook with a Python kernel, or leave the line out and write TypeScript";

const CELL: Readonly<Record<string, Remedy>> = {
  bash: shellCell,
  sh: shellCell,
  script: shellCell,
  cmd: shellCell,
  system: shellCell,
  sx: shellCell,
  "!": shellCell,
  time: (rest) => timed(rest),
  timeit: () => repeated(""),
  prun: (rest) => timed(rest),
  html: shown("html"),
  HTML: shown("html"),
  markdown: shown("markdown"),
  latex: shown("latex"),
  svg: shown("svg"),
  SVG: shown("svg"),
  javascript: script,
  js: script,
  typescript: script,
  ts: script,
  python: python,
  python2: python,
  python3: python,
  pypy: python,
  ruby: python,
  perl: python,
  capture: () => "Write: clearOutput() at the cell's end, which removes what it has shown",
  writefile: writeFile,
  file: writeFile,
  ai: () => "Write: %%chatglm, which asks the model",
};

function writeFile(rest: string): string {
  const path = JSON.stringify(rest.split(/\s+/).filter((word) => word !== "-a")[0] || "file");
  return `Write: (await import("node:fs")).writeFileSync(${path}, \`...\`)`;
}

/** What to do where IPython has `name?`. */
export function inspectRemedy(name: string): string {
  const magic = /^%{1,2}[\w-]+$/.exec(name)?.[0];
  if (magic) return `Write: ${magic} --help`;
  const subject = name === "" ? "a name" : name;
  return `Put the cursor on ${subject} and press Shift-Tab (in VS Code, point at it) for its type and documentation. Write: console.log(${name || "name"}) for its value`;
}

/** What to write for a magic that only IPython has; undefined for any other name. */
export function foreignMagic(sign: "%" | "%%", name: string, rest: string): string | undefined {
  const table = sign === "%%" ? CELL : LINE;
  const other = sign === "%%" ? LINE : CELL;
  const remedy = Object.hasOwn(table, name) ? table[name] : Object.hasOwn(other, name) ? other[name] : undefined;
  return remedy && `${sign}${name} is a magic of IPython's, which cells do not have. ${remedy(rest.trim())}`;
}
