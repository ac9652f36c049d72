/** @file What %runtime does. */
import { ambient } from "../../src/ambient.ts";
import { byteSize } from "../../src/byte-size.ts";
import { modelForm } from "../../src/engine/model-form.ts";
import { type DeviceReport, devices } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import type { RuntimeStatus } from "../../src/runtime/server.ts";
import { show, write } from "../live.ts";
import { renderTable } from "../render/table.ts";
import { duration } from "../render/text.ts";
import { currentModel } from "../session.ts";
import type { OfModel } from "./chat.ts";

const LOG_LINES = 50;

/** Shows and returns what the runtime holds, and for whom; undefined when none runs. */
export async function runtimeStatus(): Promise<RuntimeStatus | undefined> {
  const { runtimeStatus: ask } = await import("../../src/runtime/connect.ts");
  const { signal } = ambient();
  const status = await ask({ signal });
  if (!status) {
    write("No runtime runs. %model starts one when it loads a model.\n");
    return undefined;
  }
  const { pid, version, address, started, clients, memoryBytes, models } = status;
  const up = duration((Date.now() - started) / 1000);
  const caption = `glmlab ${version} runtime: process ${pid}, up ${up}, ${plural(clients, "client")}, ${byteSize(memoryBytes)}, ${address}`;
  const columns = [
    { title: "model" },
    { title: "family" },
    { title: "device" },
    { title: "form" },
    { title: "weights", align: "right" as const },
    { title: "on the GPU", align: "right" as const },
    { title: "adapters" },
    { title: "requests", align: "right" as const },
  ];
  const rows = models.map(({ model, adapters, mappedBytes, deviceBytes, requests }) => [
    model.name,
    model.family,
    model.device,
    modelForm(model),
    byteSize(mappedBytes),
    deviceBytes === undefined ? "" : byteSize(deviceBytes),
    adapters.map(({ name }) => name).join(", "),
    String(requests),
  ]);
  show(renderTable({ columns, rows, caption, empty: "No model is loaded." }));
  return status;
}

/** Frees the memory of a model, by default the current one. Adapters are on disk and stay. */
export async function runtimeUnload({ model: given }: OfModel = {}): Promise<void> {
  const model = currentModel(given);
  await model.unload({ signal: ambient().signal });
  write(`Unloaded ${model.info.name}. Adapters stay; run %model again.\n`);
}

/** Ends the runtime. Adapters are on disk and stay. */
export async function runtimeStop(): Promise<void> {
  const { stopRuntime } = await import("../../src/runtime/cli.ts");
  const stopped = await stopRuntime(undefined, ambient().signal);
  write(
    stopped ? `Stopped the runtime (process ${stopped.pid}). Adapters stay; run %model again.\n` : "No runtime runs.\n",
  );
}

/** Shows and returns what there is to compute on. */
export async function runtimeDevices(): Promise<readonly DeviceReport[]> {
  const found = await devices();
  const columns = [
    { title: "device" },
    { title: "what it is" },
    { title: "memory", align: "right" as const },
    { title: "can be used" },
  ];
  const rows = found.map(({ name, title, memory, isSoftware, obstacle }) => [
    name,
    title,
    memory === undefined ? "" : byteSize(memory),
    obstacle === undefined ? (isSoftware ? "if named" : "yes") : "no",
  ]);
  show(renderTable({ columns, rows }));
  // Below the table, which is cut to the width of a terminal where it is text.
  for (const { name, isSoftware, obstacle } of found) {
    if (obstacle !== undefined) write(`${name} cannot be used: ${obstacle}.\n`);
    else if (isSoftware)
      write(`${name}: a software driver is slower than the processor; only --device ${name} takes it.\n`);
  }
  return found;
}

/** Shows the end of the runtime's log, and returns it. */
export async function runtimeLogs(): Promise<string> {
  const [{ lastLines }, { runtimeFolder }] = await Promise.all([
    import("../../src/runtime/log.ts"),
    import("../../src/runtime/folder.ts"),
  ]);
  const { log } = runtimeFolder();
  const text = lastLines(log, LOG_LINES).join("\n");
  write(text === "" ? `${log} is empty.\n` : `${text}\n`);
  return text;
}
