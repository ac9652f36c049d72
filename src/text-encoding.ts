/** @file Bytes as text: UTF-8 and nothing else, and which encoding it is when it is another one. */

/** Bytes that are no text in UTF-8. */
export interface NotUtf8 {
  /** What they are, as far as it can be told: "text in GBK". */
  readonly got: string;
  readonly remedy: string;
}

/**
 * What is wrong with a text that has half of a character in it, as cutting "🎂" leaves it: no encoding has it, and a model would
 * read and learn U+FFFD instead. Undefined when nothing is.
 */
export function halfFault(text: string): string | undefined {
  const half = /\p{Surrogate}/u.exec(text);
  if (!half) return undefined;
  const code = half[0].charCodeAt(0).toString(16).toUpperCase();
  return `expected whole characters, got half of one (U+${code}) at ${half.index}. Was the text cut in the middle of an emoji?`;
}

/** The same of several texts, each by its name; what is no text has no such fault. */
export function halfFaults(texts: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(texts).flatMap(([name, text]) => {
    const fault = typeof text === "string" ? halfFault(text) : undefined;
    return fault === undefined ? [] : [`${name}: ${fault}`];
  });
}

const strict = new TextDecoder("utf-8", { fatal: true });

/** What a text is whose first bytes show it to be UTF-16. */
export function utf16Fault(beginning: Uint8Array): NotUtf8 | undefined {
  const wide = utf16Of(beginning);
  return wide === undefined ? undefined : other(wide, wide);
}

/**
 * The text, without a byte order mark.
 * @param from where the bytes stand in their file
 */
export function decodedText(bytes: Uint8Array, from = 0): string | NotUtf8 {
  const wide = utf16Fault(bytes);
  if (wide) return wide;
  try {
    return strict.decode(bytes);
  } catch {
    return isGbk(bytes)
      ? other("GBK", "GB18030")
      : {
          got: `bytes that are no UTF-8, the first of them at byte ${from + firstFault(bytes)}`,
          remedy: "Save it as UTF-8.",
        };
  }
}

const other = (name: string, iconv: string): NotUtf8 => ({
  got: `text in ${name}`,
  remedy: `Save it as UTF-8: iconv -f ${iconv} -t UTF-8 FILE > NEW.`,
});

/**
 * The same where anything else is an error.
 * @throws what `refuse` makes of it
 */
export function mustDecode(bytes: Uint8Array, refuse: (found: NotUtf8) => Error): string {
  const text = decodedText(bytes);
  if (typeof text === "string") return text;
  throw refuse(text);
}

/** UTF-16 has a mark, or zeros beside its ASCII characters. */
function utf16Of(bytes: Uint8Array): "UTF-16LE" | "UTF-16BE" | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "UTF-16LE";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "UTF-16BE";
  const start = bytes.subarray(0, 64);
  if (start.length < 4) return undefined;
  const zeros = [0, 0];
  start.forEach((byte, i) => {
    if (byte === 0) zeros[i % 2] = (zeros[i % 2] as number) + 1;
  });
  const [even = 0, odd = 0] = zeros;
  const many = start.length / 4;
  if (odd >= many && even === 0) return "UTF-16LE";
  return even >= many && odd === 0 ? "UTF-16BE" : undefined;
}

/** Whether it can be read as GBK and looks like it: common characters have two bytes from 0xa1, Latin letters with accents one. */
function isGbk(bytes: Uint8Array): boolean {
  let [pairs, common] = [0, 0];
  for (let at = 0; at < bytes.length; at += 1) {
    if ((bytes[at] as number) < 0x80) continue;
    pairs += 1;
    if ((bytes[at] as number) >= 0xa1 && (bytes[at + 1] ?? 0) >= 0xa1) common += 1;
    at += 1;
  }
  if (common * 2 < pairs) return false;
  try {
    new TextDecoder("gb18030", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Where the first byte stands that belongs to no character, from 0. */
function firstFault(bytes: Uint8Array): number {
  const isSound = (end: number, isEnd: boolean): boolean => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end), { stream: !isEnd });
      return true;
    } catch {
      return false;
    }
  };
  // The longest beginning that more bytes could make text of.
  let [sound, broken] = [0, bytes.length + 1];
  while (broken - sound > 1) {
    const middle = (sound + broken) >> 1;
    if (isSound(middle, false)) sound = middle;
    else broken = middle;
  }
  // Its last character may be incomplete.
  while (!isSound(sound, true)) sound -= 1;
  return sound;
}
