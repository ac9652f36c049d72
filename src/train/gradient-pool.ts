/** @file Gradients that stay on a device until they are used or given up; their memory then serves those of a later run. */
import type { AdapterTensors } from "../adapters/adapter.ts";
import type { Device } from "../backend/device.ts";
import { owning } from "../backend/owning.ts";
import type { DeviceTensor } from "../backend/program.ts";
import { GlmError } from "../errors.ts";
import type { ParameterSpec } from "../models/context.ts";
import type { FloatTensor } from "../tensor.ts";

export type Named = Readonly<Record<string, DeviceTensor>>;

/** A tensor for each parameter, of zeros. */
export function allocated(device: Device, parameters: readonly ParameterSpec[]): Promise<Named> {
  return owning(async (own) => {
    const named: Record<string, DeviceTensor> = {};
    for (const { name, shape } of parameters) named[name] = own(await device.allocate("float32", shape));
    return named;
  });
}

/** The gradients of one run, by parameter. */
export class ResidentGradients {
  readonly #device: Device;
  readonly #tensors: Named;
  readonly #giveBack: (tensors: Named) => void;
  #users = 0;
  #isReleased = false;

  constructor(device: Device, tensors: Named, giveBack: (tensors: Named) => void) {
    this.#device = device;
    this.#tensors = tensors;
    this.#giveBack = giveBack;
  }

  /**
   * They stay as they are until the work is over, whoever releases them meanwhile.
   * @throws GlmError "data-invalid" when they were released before
   */
  async use<T>(work: (tensors: Named) => Promise<T>): Promise<T> {
    if (this.#isReleased)
      throw new GlmError("data-invalid", "the gradients are no longer there: they were released. Compute them again.");
    this.#users += 1;
    try {
      return await work(this.#tensors);
    } finally {
      this.#users -= 1;
      if (this.#isReleased && this.#users === 0) this.#giveBack(this.#tensors);
    }
  }

  /** Brings them from the device. */
  read(): Promise<AdapterTensors> {
    return this.use(async (tensors) => {
      const read: AdapterTensors = {};
      for (const [name, one] of Object.entries(tensors)) read[name] = (await this.#device.download(one)) as FloatTensor;
      return read;
    });
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    if (this.#users === 0) this.#giveBack(this.#tensors);
  }
}

export class GradientPool {
  readonly #device: Device;
  readonly #parameters: readonly ParameterSpec[];
  readonly #out = new Set<ResidentGradients>();
  readonly #spare: Named[] = [];
  #keeps = true;

  constructor(device: Device, parameters: readonly ParameterSpec[]) {
    this.#device = device;
    this.#parameters = parameters;
  }

  /** Memory for those of a run that writes all of it. */
  async take(): Promise<ResidentGradients> {
    this.#keeps = true;
    const tensors = this.#spare.pop() ?? (await allocated(this.#device, this.#parameters));
    const taken = new ResidentGradients(this.#device, tensors, (back) => {
      this.#out.delete(taken);
      if (this.#keeps) this.#spare.push(back);
      else free(back);
    });
    this.#out.add(taken);
    return taken;
  }

  /** Frees what nobody uses, now and when it is released, until more is taken. */
  rest(): void {
    this.#keeps = false;
    for (const one of this.#spare.splice(0)) free(one);
  }

  /** Releases all that were taken, too. */
  dispose(): void {
    this.rest();
    for (const one of [...this.#out]) one.release();
  }
}

function free(tensors: Named): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}
