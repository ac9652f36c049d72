/** @file Tables of the base that PEFT saves beside an adapter (`save_embedding_layers`): the model has them already. */
import { tablesOf } from "../models/architectures.ts";
import type { FloatTensor } from "../tensor.ts";
import type { StoredTensor } from "../weights/stored.ts";
import type { BaseModel } from "./adapter.ts";
import { readStored } from "./stored-tensors.ts";
import { weightOf } from "./targets.ts";

/** A table in an adapter's file, and the base parameter that it must be. */
export interface TableBeside {
  readonly stored: StoredTensor;
  readonly parameter: string;
}

/** The base's tables among an adapter's tensors, by the names that these have. */
export function tablesBeside(stored: readonly StoredTensor[], { config }: BaseModel): ReadonlyMap<string, TableBeside> {
  const parameters = new Map<string, string>(
    tablesOf(config).flatMap((table) =>
      ["weight", "base_layer.weight"].map((end) => [`base_model.model.${table.name}.${end}`, weightOf(table)] as const),
    ),
  );
  return new Map(
    stored.flatMap((one) => {
      const parameter = parameters.get(one.name);
      return parameter === undefined ? [] : [[one.name, { stored: one, parameter }] as const];
    }),
  );
}

/** What is wrong with such tables: those that are not the base's, but for rounding, which PEFT would put in its place. */
export async function changedTables(tables: ReadonlyMap<string, TableBeside>, base: BaseModel): Promise<string[]> {
  const faults: string[] = [];
  for (const [name, { stored, parameter }] of tables) {
    const shape = base.parameters.find((known) => known.name === parameter)?.shape ?? [];
    if (String(stored.shape) !== String(shape)) {
      faults.push(`${name}: expected the model's own table [${shape}], got [${stored.shape}]`);
      continue;
    }
    const { tensors, faults: notFinite } = await readStored([[name, stored]]);
    faults.push(...notFinite);
    const table = tensors[name];
    if (table && !isSame(table, await base.read(parameter))) {
      faults.push(
        `${name}: expected the model's own table, got another: the adapter was trained on a model with other tokens`,
      );
    }
  }
  return faults;
}

/** Whether the rows of both differ by no more than half precision or 8 bits make of them. */
function isSame({ shape, data }: FloatTensor, other: FloatTensor): boolean {
  const width = shape.at(-1) as number;
  for (let from = 0; from < data.length; from += width) {
    let [largest, difference] = [0, 0];
    for (let i = from; i < from + width; i += 1) {
      largest = Math.max(largest, Math.abs(other.data[i] as number));
      difference = Math.max(difference, Math.abs((data[i] as number) - (other.data[i] as number)));
    }
    if (difference > largest / 100) return false;
  }
  return true;
}
