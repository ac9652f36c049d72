/** @file Notebooks as files, and running one through a real Jupyter server as a front end does. */
import type { Kernel, KernelMessage, Session } from "@jupyterlab/services";
import { KernelManager, ServerConnection, SessionManager } from "@jupyterlab/services";
import type { JupyterServer } from "./jupyter.ts";

/** An nbformat 4 notebook, as far as it matters here. */
export interface Notebook {
  readonly cells: Cell[];
}

export interface Cell {
  readonly cell_type: "code" | "markdown" | "raw";
  readonly source: string | readonly string[];
  readonly metadata: { readonly tags?: readonly string[] };
  outputs?: Output[];
  execution_count?: number | null;
}

export interface Output {
  readonly output_type: string;
  readonly name?: string;
  readonly text?: string;
  readonly data?: Record<string, unknown>;
  readonly ename?: string;
  readonly evalue?: string;
  readonly traceback?: readonly string[];
  /** While it runs: the display that later messages may replace. */
  transient?: { display_id?: string };
}

/** A cell with this tag is run in a restarted kernel. */
const RESTART_TAG = "restart";

export const sourceOf = ({ source }: Cell): string => (typeof source === "string" ? source : source.join(""));

/** What a cell printed and showed, as text. */
export function textOf({ outputs = [] }: Cell): string {
  let all = "";
  for (const { text, data, evalue } of outputs) {
    // What is printed goes on where it was; what is shown stands by itself.
    if (text === undefined && all !== "" && !all.endsWith("\n")) all += "\n";
    all += text ?? (data?.["text/plain"] as string | undefined) ?? evalue ?? "";
  }
  return all;
}

export interface RunOptions {
  /** Told before a cell runs. */
  readonly onCell?: (cell: Cell, index: number) => void;
  readonly onRestart?: () => void;
}

/**
 * Runs all code cells, filling in their outputs.
 * @param path of the notebook in the server's folder
 * @throws Error naming the cell that failed, with its error
 */
export async function runNotebook(
  server: JupyterServer,
  notebook: Notebook,
  path: string,
  { onCell, onRestart }: RunOptions = {},
): Promise<void> {
  // The client announces every connection on standard output.
  console.debug = () => undefined;
  const serverSettings = ServerConnection.makeSettings({
    baseUrl: server.url,
    wsUrl: server.url.replace(/^http/, "ws"),
    token: server.token,
    appendToken: true,
  });
  const kernelManager = new KernelManager({ serverSettings });
  const sessions = new SessionManager({ serverSettings, kernelManager });
  await sessions.ready;
  const session = await sessions.startNew({ path, name: path, type: "notebook", kernel: { name: "glmlab" } });
  try {
    for (const [index, cell] of notebook.cells.entries()) {
      if (cell.cell_type !== "code") continue;
      if (cell.metadata.tags?.includes(RESTART_TAG)) {
        onRestart?.();
        await session.kernel?.restart();
      }
      onCell?.(cell, index);
      await runCell(session, cell, index);
    }
  } finally {
    await session.shutdown();
    sessions.dispose();
    kernelManager.dispose();
  }
}

async function runCell(session: Session.ISessionConnection, cell: Cell, index: number): Promise<void> {
  const kernel = session.kernel as Kernel.IKernelConnection;
  const outputs: Output[] = [];
  cell.outputs = outputs;
  const future = kernel.requestExecute({ code: sourceOf(cell), stop_on_error: true });
  future.onIOPub = (message) => {
    take(outputs, message);
  };
  const died = new Promise<never>((_resolve, reject) => {
    kernel.statusChanged.connect((_kernel, status) => {
      // The server starts a dead kernel again, but nobody will ever answer what the dead one was asked.
      if (status === "dead" || status === "autorestarting") reject(new Error(`the kernel died in cell ${index + 1}`));
    });
  });
  const reply = await Promise.race([future.done, died]);
  for (const output of outputs) delete output.transient;
  cell.execution_count = "execution_count" in reply.content ? (reply.content.execution_count ?? null) : null;
  const error = outputs.find(({ output_type }) => output_type === "error");
  if (!error && reply.content.status === "ok") return;
  const why = error ? [error.ename, error.evalue].join(": ") : reply.content.status;
  throw new Error(`cell ${index + 1} failed with ${why}\n${sourceOf(cell)}\n${error?.traceback?.join("\n") ?? ""}`);
}

/** Collects a message into a cell's outputs as front ends do. */
function take(outputs: Output[], { header, content }: KernelMessage.IIOPubMessage): void {
  const message = { output_type: header.msg_type, ...(content as object) } as Output;
  switch (header.msg_type) {
    case "stream": {
      const last = outputs.at(-1);
      if (last?.output_type === "stream" && last.name === message.name) {
        outputs[outputs.length - 1] = { ...last, text: `${last.text}${message.text}` };
      } else outputs.push(message);
      return;
    }
    case "update_display_data": {
      const id = message.transient?.display_id;
      for (const output of outputs) {
        if (id && output.transient?.display_id === id) Object.assign(output, { data: message.data });
      }
      return;
    }
    case "display_data":
    case "execute_result":
    case "error":
      outputs.push(message);
  }
}
