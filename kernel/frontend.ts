/** @file A cell's front end: its output as Jupyter messages, which name the cell also when they come after its end. */
import type { Frontend, MimeBundle } from "../src/ambient.ts";
import type { ToServer } from "./link.ts";
import type { StreamName } from "./output.ts";
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
    this.publish("display_data", { data, metadata: {}, transient: id === undefined ? {} : { display_id: id } });
  }

  update(id: string, data: MimeBundle): void {
    this.publish("update_display_data", { data, metadata: {}, transient: { display_id: id } });
  }

  write(text: string, stream: StreamName = "stdout"): void {
    this.#post({ kind: "stream", name: stream, text, parent: this.#parent });
  }

  clear({ wait = false }: { wait?: boolean } = {}): void {
    this.publish("clear_output", { wait });
  }

  page(data: MimeBundle): void {
    this.pages.push({ source: "page", data, start: 0 });
  }

  /** Any other broadcast about the cell. @throws TypeError when the content cannot be written as JSON */
  publish(type: string, content: object): void {
    const message = { identities: [type], type, parent: this.#parent, content: JSON.stringify(content) };
    this.#post({ kind: "send", channel: "iopub", message });
  }
}

/** Where the output of a silent request goes. */
export const silence: Frontend = {
  display: () => undefined,
  update: () => undefined,
  write: () => undefined,
  clear: () => undefined,
  page: () => undefined,
};
