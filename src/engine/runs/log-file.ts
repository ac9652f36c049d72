/** @file A file to which is only added: what was written in part, because the disk was full, is written over by the next try. */
import { open } from "node:fs/promises";
import { onDisk, replaceFile } from "../../files.ts";

export class LogFile {
  readonly #path: string;
  /** Bytes that were written as a whole. */
  #end = 0;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Begins a file, in place of one that was there.
   * @throws GlmError "disk" when it cannot be written
   */
  static async begin(path: string, content: Uint8Array): Promise<LogFile> {
    await replaceFile(path, [content], content.length);
    const file = new LogFile(path);
    file.#end = content.length;
    return file;
  }

  /** @throws GlmError "disk" when it cannot be written; it can then be tried again */
  async append(content: Uint8Array): Promise<void> {
    if (content.length === 0) return;
    await onDisk(this.#path, content.length, async () => {
      const file = await open(this.#path, "r+");
      try {
        for (let at = 0; at < content.length; ) {
          at += (await file.write(content, at, content.length - at, this.#end + at)).bytesWritten;
        }
      } finally {
        await file.close();
      }
    });
    this.#end += content.length;
  }
}
