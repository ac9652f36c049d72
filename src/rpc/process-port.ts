/** @file The two ends of a channel between a process and one that it has started. */
import type { ChildProcess } from "node:child_process";
import type { PortLike } from "./channel.ts";

type End = Pick<ChildProcess | NodeJS.Process, "send" | "on" | "channel"> &
  Partial<Pick<ChildProcess, "ref" | "unref">>;

/** A process that has been started with a channel, or this one where it has been. */
export function processPort(end: End): PortLike {
  return {
    postMessage(value) {
      // What is sent to one that has just gone is lost; that it has gone is told.
      end.send?.(value as object, undefined, undefined, () => undefined);
    },
    on(event: "message" | "close", listener: (value: unknown) => void) {
      if (event === "message") end.on("message", listener);
      else end.on("disconnect", () => listener(undefined));
    },
    ref() {
      end.ref?.();
      end.channel?.ref();
    },
    unref() {
      end.unref?.();
      end.channel?.unref();
    },
  };
}
