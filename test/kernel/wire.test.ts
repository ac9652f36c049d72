import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Outgoing, readMessage, signer, WireError, Writer } from "../../kernel/wire.ts";

const KEY = "0b3c9dc0-8f2c";

/** Frames as another implementation would send them. */
function frames(options: { key?: string; header?: object; content?: unknown; parts?: string[] } = {}): Buffer[] {
  const header = options.header ?? {
    msg_id: "m1",
    session: "s1",
    msg_type: "execute_request",
    username: "u",
    date: "d",
    version: "5.3",
  };
  const parts = options.parts ?? [
    JSON.stringify(header),
    "{}",
    '{"a":1}',
    JSON.stringify(options.content ?? { code: "1 + 1" }),
  ];
  const hmac = createHmac("sha256", options.key ?? KEY);
  for (const part of parts) hmac.update(part);
  return ["peer", "<IDS|MSG>", hmac.digest("hex"), ...parts].map((frame) => Buffer.from(frame));
}

describe("reading", () => {
  test("gives routing, header, content and buffers", () => {
    const binary = Buffer.from([0, 255, 10]);
    const message = readMessage([...frames({ content: { code: "\"é\" + '😀'" } }), binary], signer(KEY));
    expect(message.identities.map((frame) => Buffer.from(frame).toString())).toEqual(["peer"]);
    expect(message.header).toMatchObject({ msg_id: "m1", msg_type: "execute_request", session: "s1", version: "5.3" });
    expect(message.content).toEqual({ code: "\"é\" + '😀'" });
    expect(message.metadata).toEqual({ a: 1 });
    expect(message.buffers.map((buffer) => [...buffer])).toEqual([[0, 255, 10]]);
  });

  test("keeps header fields that it does not know: replies repeat them", () => {
    const header = { msg_id: "m", session: "s", msg_type: "t", subshell_id: "x" };
    expect(readMessage(frames({ header }), signer(KEY)).header).toMatchObject({ subshell_id: "x" });
  });

  test.each([
    ["another key", frames({ key: "stolen" })],
    ["no signature", frames().map((frame, index) => (index === 2 ? Buffer.alloc(0) : frame))],
    ["a changed content", frames().map((frame, index) => (index === 6 ? Buffer.from('{"code":"2"}') : frame))],
    ["no delimiter", [Buffer.from("peer"), Buffer.from("hello")]],
    ["missing frames", frames().slice(0, 5)],
    ["content that is not JSON", frames({ parts: ['{"msg_id":"1","session":"2","msg_type":"3"}', "{}", "{}", "{"] })],
    ["content that is no object", frames({ content: [1] })],
    ["a header without an id", frames({ header: { msg_type: "x" } })],
    ["text that is not UTF-8", [...frames().slice(0, 6), Buffer.from([0x7b, 0xff, 0x7d])]],
  ])("refuses %s", (_what, message) => {
    expect(() => readMessage(message, signer(KEY))).toThrow(WireError);
  });

  test("an empty key means that nothing is signed or checked", () => {
    const message = frames().map((frame, index) => (index === 2 ? Buffer.alloc(0) : frame));
    expect(readMessage(message, signer("")).header.msg_id).toBe("m1");
  });
});

describe("writing", () => {
  const outgoing: Outgoing = {
    identities: ["stream"],
    type: "stream",
    content: '{"name":"stdout","text":"ü"}',
    buffers: [new Uint8Array([7])],
  };

  test("signs the four JSON frames", () => {
    const { frames: written } = new Writer(signer(KEY)).frames(outgoing);
    const [topic, delimiter, signature, header, parent, metadata, content, buffer] = written.map((frame) =>
      Buffer.from(frame),
    );
    const hmac = createHmac("sha256", KEY);
    for (const part of [header, parent, metadata, content]) hmac.update(part!);
    expect([topic, delimiter, signature].map(String)).toEqual(["stream", "<IDS|MSG>", hmac.digest("hex")]);
    expect(JSON.parse(String(header))).toMatchObject({ msg_type: "stream", version: "5.5" });
    expect([parent, metadata, content].map(String)).toEqual(["{}", "{}", outgoing.content]);
    expect([...buffer!]).toEqual([7]);
  });

  test("numbers messages within one session and names their parent", () => {
    const writer = new Writer(signer(KEY));
    const parent = readMessage(frames(), signer(KEY)).header;
    const [a, b] = [writer.frames(outgoing).header, writer.frames({ ...outgoing, parent }).header];
    expect(a.msg_id).not.toBe(b.msg_id);
    expect(a.session).toBe(b.session);
    const { frames: written } = writer.frames({ ...outgoing, parent });
    expect(JSON.parse(String(Buffer.from(written[4]!)))).toEqual(parent);
  });

  test("what was written can be read", () => {
    const { frames: written } = new Writer(signer(KEY)).frames(outgoing);
    expect(readMessage(written, signer(KEY)).content).toEqual({ name: "stdout", text: "ü" });
  });
});

test("an unknown signature scheme is refused by name", () => {
  expect(() => signer(KEY, "rot13")).toThrow(/rot13/);
  expect(signer(KEY, "hmac-sha512")([Buffer.from("x")])).toHaveLength(128);
});
