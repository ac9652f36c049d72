/** @file A model's parameters by module, with what trains of them and what memory that takes, as a table. */
import { type ParameterGroup, parameterGroups, totalMemory } from "../../src/api/parameter-groups.ts";
import { byteSize } from "../../src/byte-size.ts";
import type { ParameterInfo } from "../../src/index.ts";
import { elementSize } from "../../src/tensor.ts";
import type { Column, Table } from "./table.ts";
import { grouped } from "./text.ts";

const right = (title: string): Column => ({ title, align: "right" });
const COLUMNS: readonly Column[] = [
  { title: "parameter", whole: true },
  { title: "shape" },
  { title: "dtype" },
  { title: "trains" },
  right("count"),
  right("values"),
  right("gradients"),
  right("AdamW"),
];

interface Counted {
  readonly base: readonly ParameterInfo[];
  readonly adapter?: readonly ParameterInfo[];
  /** How many there are with what PEFT counts besides; see `Adapter.counters`. */
  readonly all: number;
  readonly caption: string;
}

export function parameterTable({ base, adapter, all, caption }: Counted): Table {
  const groups = parameterGroups(base, adapter);
  // Not fewer than none: of biases that train in place, both values are in memory, and PEFT counts one.
  const counters = Math.max(0, all - groups.reduce((sum, { count }) => sum + count, 0));
  const rows = groups.flatMap((group, index) => [
    ...(group.module === groups[index - 1]?.module ? [] : [[group.module]]),
    rowOf(group),
  ]);
  const trained = groups.filter(({ trains }) => trains);
  const frozen = groups.filter(({ trains }) => !trains);
  return {
    columns: COLUMNS,
    rows: [
      ...rows,
      ...(counters === 0
        ? []
        : [["counted, too, as PEFT does"], ["  counters of ranks", "", "", "", grouped(counters)]]),
      ["in all"],
      ...(trained.length === 0 ? [] : [totalOf("  trained", trained, 0)]),
      totalOf("  frozen", frozen, counters),
      totalOf("  together", groups, counters),
    ],
    caption: [caption, ...notes(groups, base)].join("\n"),
  };
}

function rowOf({ tensor, times, shape, dtype, trains, count, ...memory }: ParameterGroup): string[] {
  const size = `[${shape.join(", ")}]`;
  return [
    `  ${tensor}`,
    times === 1 ? size : `${times} × ${size}`,
    dtype,
    trains ? "yes" : "",
    grouped(count),
    ...bytes(memory),
  ];
}

function totalOf(title: string, groups: readonly ParameterGroup[], counters: number): string[] {
  const count = groups.reduce((sum, group) => sum + group.count, counters);
  return [title, "", "", "", grouped(count), ...bytes(totalMemory(groups))];
}

const bytes = ({ values, gradients, optimizer }: Pick<ParameterGroup, "values" | "gradients" | "optimizer">) =>
  [values, gradients, optimizer].map((size) => (size === 0 ? "" : byteSize(size)));

/** What the sizes do not say by themselves. */
function notes(groups: readonly ParameterGroup[], base: readonly ParameterInfo[]): readonly string[] {
  const isHalf = base.some(({ dtype }) => dtype === "float16" || dtype === "bfloat16");
  const isTwice = groups.some(({ trains, values, count }) => trains && values > elementSize.float32 * count);
  return [
    ...(isHalf ? ["Values are counted in the types of the files; held exactly, floats take 4 bytes each."] : []),
    ...(isTwice ? ["Of the model's own parameters that train, there are two sets of values: the base's stay."] : []),
  ];
}
