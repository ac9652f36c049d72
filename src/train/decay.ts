/** @file Which parameters weight decay is for: as in the field's trainers, not biases and the weights of norms. */
import type { OptimizerConfig } from "./optimizer.ts";

/** Names of ChatGLM's checkpoints and of PEFT: `...dense.bias`, `...input_layernorm.weight`, `...final_layernorm.weight`. */
const EXEMPT = /(^|[._])bias$|(^|[._])(layer_?norm|rms_?norm|norm|ln_f)\.weight$/i;

/** @param name of a parameter, as in the files */
export const isNormOrBias = (name: string): boolean => EXEMPT.test(name);

/** What weight decay takes of a parameter at a step: the factor that is left of it. */
export function decayFactor({ lr, weightDecay, decayNormsAndBiases = true }: OptimizerConfig, name: string): number {
  return decayNormsAndBiases || !isNormOrBias(name) ? 1 - lr * weightDecay : 1;
}
