/**
 * @file Scalars as TensorBoard reads them: a file of records, each an Event message of tensorflow/core/util/event.proto in the
 * framing of TFRecord (length, masked CRC-32C, data, masked CRC-32C).
 */
import protobuf from "protobufjs";

/** Field numbers are the format's. */
const SCHEMA = `
syntax = "proto3";
message Value { string tag = 1; float simpleValue = 2; }
message Summary { repeated Value value = 1; }
message Event { double wallTime = 1; int64 step = 2; string fileVersion = 3; Summary summary = 5; }
`;
const Event = protobuf.parse(SCHEMA).root.lookupType("Event");

/** What a file begins with. @param seconds since 1970 */
export const fileStart = (seconds: number): Uint8Array => record({ wallTime: seconds, fileVersion: "brain.Event:2" });

/**
 * Numbers of one step, by tag.
 * @param seconds since 1970
 */
export function scalars(seconds: number, step: number, values: Readonly<Record<string, number>>): Uint8Array {
  const value = Object.entries(values).map(([tag, simpleValue]) => ({ tag, simpleValue }));
  return record({ wallTime: seconds, step, summary: { value } });
}

function record(event: object): Uint8Array {
  const data = Event.encode(Event.create(event)).finish();
  const bytes = new Uint8Array(12 + data.length + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return bytes;
}

/** CRC-32C, rotated and shifted as the format has it: a checksum of data that hold checksums must not be one of theirs. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, reflected. */
const POLYNOMIAL = 0x82f63b78;

const table: readonly number[] = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  return crc >>> 0;
});

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}
