/** @file A cell's front end: its output as Jupyter messages, which name the cell also when they come after its end. */
import type { Frontend, MimeBundle } from "../src/ambient.ts";
import { describe } from "./describe.ts";
import type { ToServer } from "./link.ts";
import { fitBundle } from "./mime.ts";
import type { StreamName } from "./output.ts";
import { toJson } from "./text.ts";
import type { Header } from "./wire.ts";

/** What a front end's pager shows, as an execute_reply carries it. */
export interface Page {
  readonly source: "page";
  readonly data: MimeBundle;
  readonly start: number;
}

export class CellFrontend implements Frontend {
  /** What the reply to the cell brings the pager. */
  readonly pages: Page[] = [];
  readonly #post: (message: ToServer) => void;
  readonly #parent: Header;

  constructor(post: (message: ToServer) => void, parent: Header) {
    this.#post = post;
    this.#parent = parent;
  }

  display(data: MimeBundle, { id }: { id?: string } = {}): void {
    const transient = id === undefined ? {} : { display_id: asText(id) };
    this.publish("display_data", { data: this.#fit(data), metadata: {}, transient });
  }

  update(id: string, data: MimeBundle): void {
    this.publish("update_display_data", {
      data: this.#fit(data),
      metadata: {},
      transient: { display_id: asText(id) },
    });
  }

  write(text: string, stream: StreamName = "stdout"): void {
    const name = stream === "stderr" ? stream : "stdout";
    this.#post({ kind: "stream", name, text: asText(text), parent: this.#parent });
  }

  clear({ wait = false }: { wait?: boolean } = {}): void {
    this.publish("clear_output", { wait: Boolean(wait) });
  }

  page(data: MimeBundle): void {
    this.pages.push({ source: "page", data: this.#fit(data), start: 0 });
  }

  /** The value of the cell's last expression. */
  result(executionCount: number, data: MimeBundle): void {
    this.publish("execute_result", { execution_count: executionCount, data: this.#fit(data), metadata: {} });
  }

  /** Any other broadcast about the cell; the content must fit its schema already. */
  publish(type: string, content: object): void {
    const message = { identities: [type], type, parent: this.#parent, content: toJson(content) };
    this.#post({ kind: "send", channel: "iopub", message });
  }

  /** What a cell displays is anything: types end at run time. */
  #fit(data: unknown): MimeBundle {
    return fitBundle(data, (what) => this.write(what, "stderr"));
  }
}

function asText(given: unknown): string {
  return typeof given === "string" ? given : describe(given);
}

/** Where the output of a silent request goes. */
export const silence: Frontend = {
  display: () => undefined,
  update: () => undefined,
  write: () => undefined,
  clear: () => undefined,
  page: () => undefined,
};
