/** @file Which parameters weight decay is for: as in the field's trainers, not biases and the weights of norms. */
/** Names of ChatGLM's checkpoints and of PEFT: `...dense.bias`, `...input_layernorm.weight`, `...final_layernorm.weight`. */
const EXEMPT = /(^|[._])bias$|(^|[._])(layer_?norm|rms_?norm|norm|ln_f)\.weight$/i;

/** @param name of a parameter, as in the files */
export const isNormOrBias = (name: string): boolean => EXEMPT.test(name);
