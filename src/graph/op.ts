/** @file The names of all operators that a graph may hold. */

/** Operators in the ONNX standard's domain; SimplifiedLayerNormalization is onnxruntime's, but registered there. */
const STANDARD_OPS = [
  "Abs",
  "Add",
  "ArgMax",
  "BitShift",
  "BitwiseAnd",
  "Cast",
  "Concat",
  "DequantizeLinear",
  "Div",
  "Exp",
  "Expand",
  "Floor",
  "Gather",
  "GatherElements",
  "Gelu",
  "Gemm",
  "Identity",
  "LayerNormalization",
  "Log",
  "MatMul",
  "Max",
  "Mul",
  "Neg",
  "Reciprocal",
  "ReduceMax",
  "ReduceMean",
  "ReduceSum",
  "Reshape",
  "Round",
  "ScatterElements",
  "ScatterND",
  "Shape",
  "Sigmoid",
  "SimplifiedLayerNormalization",
  "Size",
  "Softmax",
  "Split",
  "Sqrt",
  "Sub",
  "Tanh",
  "Transpose",
] as const;

/** onnxruntime's own (com.microsoft). */
export const CONTRIB_OPS = [
  "FusedMatMul",
  "GroupQueryAttention",
  "MatMulIntegerToFloat",
  "MatMulNBits",
  "QuickGelu",
  "RotaryEmbedding",
  "SkipSimplifiedLayerNormalization",
] as const;

/** Every operator that a graph may hold. */
export type Op = (typeof STANDARD_OPS)[number] | (typeof CONTRIB_OPS)[number];

/** Operators whose outputs need not all be made: those that nobody uses are left out. */
export const OPTIONAL_OUTPUTS: ReadonlySet<Op> = new Set<Op>(["SkipSimplifiedLayerNormalization"]);
