/** @file A graph as the bytes of an ONNX model. */
import { parse, relative } from "node:path";
import protobuf from "protobufjs";
import type { Tensor } from "../tensor.ts";
import { onnxType } from "./dtype.ts";
import { CONTRIB_OPS, OPTIONAL_OUTPUTS, type Op } from "./op.ts";
import {
  type Attribute,
  type FileRange,
  type Graph,
  liveNodes,
  type Node,
  type Output,
  usedWeights,
  type Value,
} from "./value.ts";

/** The part of onnx.proto (ONNX IR version 9) that graphs here use; field numbers are the format's. */
const SCHEMA = `
syntax = "proto3";
message AttributeProto {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated int64 ints = 8; int32 type = 20;
}
message NodeProto {
  repeated string input = 1; repeated string output = 2; string name = 3; string opType = 4;
  repeated AttributeProto attribute = 5; string domain = 7;
}
message StringStringEntryProto { string key = 1; string value = 2; }
message TensorProto {
  repeated int64 dims = 1; int32 dataType = 2; string name = 8; bytes rawData = 9;
  repeated StringStringEntryProto externalData = 13; int32 dataLocation = 14;
}
message Dimension { oneof value { int64 dimValue = 1; string dimParam = 2; } }
message TensorShapeProto { repeated Dimension dim = 1; }
message TensorType { int32 elemType = 1; TensorShapeProto shape = 2; }
message TypeProto { TensorType tensorType = 1; }
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message GraphProto {
  repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message ModelProto { int64 irVersion = 1; GraphProto graph = 7; repeated OperatorSetIdProto opsetImport = 8; }
`;
const ModelProto = protobuf.parse(SCHEMA).root.lookupType("ModelProto");

const IR_VERSION = 9;
const OPSET = 20;
const CONTRIB = "com.microsoft";
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 } as const;
const EXTERNAL = 1;

const contribOps: ReadonlySet<Op> = new Set(CONTRIB_OPS);

/** One of the entries that say where the bytes of a weight are: "location", "offset", "length", and a reader's own. */
export interface ExternalEntry {
  readonly key: string;
  readonly value: string;
}

export interface EncodeOptions {
  /** Entries of one reader's own for where a weight is, besides those of the format. */
  readonly entries?: (range: FileRange) => readonly ExternalEntry[];
  /** Whether weights are inputs, which whoever runs the model feeds by their names. */
  readonly feedsWeights?: boolean;
}

/**
 * The model file. What no output depends on is left out; weights stay where they are: the format names their file ranges, by
 * paths from the root, since it allows no absolute ones.
 */
export function encode(graph: Graph, { entries = () => [], feedsWeights = false }: EncodeOptions = {}): Uint8Array {
  const nodes = liveNodes(graph);
  const used = new Set(nodes.flatMap((node) => node.inputs));
  const weights = usedWeights(graph);
  const names = new Map(graph.outputs.map(({ name, value }) => [value, name]));
  const nameOf = (value: Value): string => names.get(value) ?? value.name;
  const outputName = ({ op }: Node, value: Value): string =>
    OPTIONAL_OUTPUTS.has(op) && !used.has(value) && !names.has(value) ? "" : nameOf(value);
  const model = {
    irVersion: IR_VERSION,
    opsetImport: [
      { domain: "", version: OPSET },
      { domain: CONTRIB, version: 1 },
    ],
    graph: {
      name: "glmlab",
      node: nodes.map((node, index) => nodeProto(node, index, nameOf, outputName)),
      initializer: [
        ...[...graph.constants].flatMap(([value, data]) => (used.has(value) ? [constantProto(value, data)] : [])),
        ...(feedsWeights ? [] : weights.map(([value, range]) => weightProto(value, range, entries(range)))),
      ],
      input: [...graph.inputs, ...(feedsWeights ? weights.map(([value]) => value) : [])].map((input) =>
        valueProto({ name: input.name, value: input }),
      ),
      output: graph.outputs.map(valueProto),
    },
  };
  return ModelProto.encode(model).finish();
}

function nodeProto(
  node: Node,
  index: number,
  nameOf: (value: Value) => string,
  outputName: (node: Node, value: Value) => string,
): object {
  return {
    opType: node.op,
    domain: contribOps.has(node.op) ? CONTRIB : "",
    name: `${index}`,
    input: node.inputs.map((input) => (input ? nameOf(input) : "")),
    output: node.outputs.map((value) => outputName(node, value)),
    attribute: Object.entries(node.attributes).map(([name, value]) => attributeProto(name, value)),
  };
}

function attributeProto(name: string, value: Attribute): object {
  if (typeof value === "number") return { name, type: ATTRIBUTE.int, i: value };
  if (typeof value === "string") return { name, type: ATTRIBUTE.string, s: new TextEncoder().encode(value) };
  if ("float" in value) return { name, type: ATTRIBUTE.float, f: value.float };
  return { name, type: ATTRIBUTE.ints, ints: value };
}

function valueProto({ name, value: { dtype, shape } }: Output): object {
  const dim = shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: onnxType[dtype], shape: { dim } } } };
}

function constantProto({ name }: Value, { dtype, shape, data }: Tensor): object {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dataType: onnxType[dtype], dims: shape, rawData };
}

function weightProto(
  { name, dtype, shape }: Value,
  { file, offset, bytes }: FileRange,
  more: readonly ExternalEntry[],
): object {
  const entries = { location: relative(parse(file).root, file), offset: String(offset), length: String(bytes) };
  const externalData = [...Object.entries(entries).map(([key, value]) => ({ key, value })), ...more];
  return { name, dataType: onnxType[dtype], dims: shape, dataLocation: EXTERNAL, externalData };
}

/** What a model file says of where the bytes of its weights are, by weight. */
export function externalEntries(model: Uint8Array): Map<string, readonly ExternalEntry[]> {
  const decoded = ModelProto.toObject(ModelProto.decode(model), { arrays: true }) as SavedModel;
  return new Map(decoded.graph.initializer.map(({ name, externalData }) => [name, externalData]));
}

interface SavedModel {
  readonly graph: {
    readonly initializer: readonly { readonly name: string; readonly externalData: readonly ExternalEntry[] }[];
  };
}
