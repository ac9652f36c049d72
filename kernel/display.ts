/** @file `display(value)` of a notebook: shows a value now and gives a handle by which it is replaced later. */
import { randomUUID } from "node:crypto";
import { ambient, type MimeBundle } from "../src/ambient.ts";
import { toBundle } from "./bundle.ts";
import { MEDIA, type MediaName, mediaDeclarations } from "./media.ts";

interface DisplayOptions {
  /** The name under which the display is updated, also from other cells. Default: one of its own. */
  readonly display_id?: string;
}

/** For the compiler: the type of `display`, apart from the notebook's variables, so that it is read once. */
export const DISPLAY_TYPES: string = `
declare namespace Notebook {
  /** A display that is there to be seen: what it shows can be replaced, also by later cells. */
  interface Shown {
    /** Its name on the wire. */
    readonly display_id: string;
    /** Shows another value in its place. */
    update(value: unknown): Promise<void>;
${mediaDeclarations("Shows in its place", "", "void")}
  }
  interface Display {
    /** Shows a value below the cell, as the result of a cell is shown; \`(await display(a)).update(b)\` replaces it. */
    (value: unknown, options?: { display_id?: string }): Promise<Shown>;
    /** Replaces what was shown under a name: \`display(a, { display_id: "x" })\`. */
    update(display_id: string, value: unknown): Promise<void>;
${mediaDeclarations("Shows", ", options?: { display_id?: string }", "Shown")}
  }
}
`;

/** The same as a variable. */
export const DISPLAY_DECLARATION: string = `
/** Shows a value below the cell, as the result of a cell is shown; \`(await display(a)).update(b)\` replaces it. */
declare const display: Notebook.Display;
`;

type Shows<Options extends readonly unknown[]> = Record<
  string,
  (value: never, ...options: Options) => Promise<unknown>
>;

/** The function, with a method for each type of media. */
export function displayFunction(): unknown {
  const display = async (value: unknown, options?: DisplayOptions): Promise<Shown> => {
    return show(await toBundle(value), options);
  };
  const update = async (id: string, value: unknown): Promise<void> => replace(idOf(id), await toBundle(value));
  return Object.assign(
    display,
    { update },
    byMedia((bundle, options?: DisplayOptions) => show(bundle, options)),
  );
}

/** What display() gives back. */
export class Shown {
  readonly display_id: string;

  constructor(id: string) {
    this.display_id = id;
    const media = byMedia((bundle) => replace(id, bundle));
    for (const [name, value] of Object.entries(media)) Object.defineProperty(this, name, { value });
  }

  async update(value: unknown): Promise<void> {
    replace(this.display_id, await toBundle(value));
  }
}

function show(bundle: MimeBundle, { display_id }: DisplayOptions = {}): Shown {
  const id = display_id === undefined ? randomUUID() : idOf(display_id);
  const { frontend } = ambient();
  if (frontend) frontend.display(bundle, { id });
  else print(bundle);
  return new Shown(id);
}

function replace(id: string, bundle: MimeBundle): void {
  const { frontend } = ambient();
  if (frontend) frontend.update(id, bundle);
  else print(bundle);
}

function byMedia<Options extends readonly unknown[]>(
  take: (bundle: MimeBundle, ...options: Options) => unknown,
): Shows<Options> {
  const shows: Shows<Options> = {};
  for (const name of Object.keys(MEDIA) as MediaName[]) {
    shows[name] = async (value, ...options) => take(MEDIA[name](value), ...options);
  }
  return shows;
}

function idOf(id: unknown): string {
  if (typeof id === "string" && id !== "") return id;
  throw new TypeError(
    `display: expected display_id to be a string that is not empty, got ${JSON.stringify(id) ?? typeof id}. Leave it out for a name of its own.`,
  );
}

/** Code that belongs to no cell writes to the terminal. */
function print(bundle: MimeBundle): void {
  process.stdout.write(`${String(bundle["text/plain"] ?? "")}\n`);
}
