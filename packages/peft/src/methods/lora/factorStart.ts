import {
  abs,
  add,
  affine,
  div,
  eq,
  isPacked,
  matmul,
  max,
  mul,
  noGrad,
  OptionError,
  quantize4bit,
  scope,
  sub,
  type Tensor,
  to,
} from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import type { LayerContext } from "../shared/method.ts";
import { checkRank, type Factors, fullWeight, qrFactors, subspaceFactors, svdFactors } from "./factors.ts";
import type { LoftQConfig, LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";

/**
 * Computes A, B and the new base weight for an initialisation that changes the base weight (PiSSA, OLoRA, LoftQ, CorDA,
 * LoRA-GA). As in PEFT, this is repeated each time such an adapter is loaded. Returns undefined for other
 * initialisations. Also returns undefined if a LoftQ adapter is loaded onto a 4-bit base weight: LoftQ quantised it
 * when the adapter was created.
 */
export async function factorStart(
  context: LayerContext<LoraConfig>,
  init: string,
): Promise<(Factors & { weight: Tensor }) | undefined> {
  const { base, kind, config, path, loading } = context;
  const { weight } = base as Linear;
  const { r, scaling } = rankAndScaling(config, path);
  const transposed = kind === "conv1d";
  if (init === "corda" || init === "lora_ga") {
    const { measuredStart } = await import("./measured/measuredStart.ts");
    return measuredStart(context, init);
  }
  if (init === "loftq") {
    const options = config.loftqConfig as LoftQConfig;
    // A 4-bit base was already quantised by LoftQ when the adapter was created.
    if (loading && isPacked(weight.dtype) && options.loftqBits === 4) return undefined;
    return loftq(weight, r, options, transposed);
  }
  if (loading && init.startsWith("pissa_niter")) {
    const message = `initLoraWeights "${init}" takes out of the base weights what each program finds otherwise, PEFT at every load: an adapter from elsewhere answers otherwise here; have it saved with path_initial_model_for_weight_conversion`;
    context.warn({ code: "start-not-repeatable", message });
  }
  const turns = /^pissa_niter_(\d+)$/.exec(init)?.[1];
  const factor = {
    pissa: (w: Tensor) =>
      turns === undefined ? svdFactors(w, r, scaling) : subspaceFactors(w, r, scaling, Number(turns)),
    olora: (w: Tensor) => qrFactors(w, r),
  }[init.startsWith("pissa") ? "pissa" : init];
  if (!factor) return undefined;
  if (isPacked(weight.dtype)) {
    const problem = `needs base weights that are not quantised, but ${path} is ${weight.dtype}: load the model without quantize, and call quantizeBase after getPeftModel`;
    throw new OptionError("", "initLoraWeights", init, `"${init}" ${problem}`);
  }
  using w = fullWeight(weight, transposed);
  checkRank(init, r, w.shape);
  const { a, b } = await factor(w);
  const rest = noGrad(() => scope(() => sub(w, affine(matmul(b, a), { scale: scaling }))));
  return { a, b, weight: rest };
}

/** LoRA's factors and the quantised base weight that LoftQ computes from a weight W [out, in]. */
interface LoftQStart extends Factors {
  /** The new base weight Q: W minus B A, quantised, [out, in]. */
  weight: Tensor;
}

/**
 * LoftQ: alternately computes Q and B A so that Q + B A approximates W. Q is W - B A in NF4 (blocks of 64), or
 * rounded to 8-bit integers. B A is the best rank-r approximation of W - Q, with the singular values split evenly
 * between A and B. As in PEFT, B A is not divided by the adapter's scaling. `transposed` means that `weight` is stored
 * as [in, out]. The caller frees the results. Li et al. 2023, https://arxiv.org/abs/2310.08659
 */
export async function loftq(
  weight: Tensor,
  rank: number,
  { loftqBits, loftqIter }: LoftQConfig,
  transposed: boolean,
): Promise<LoftQStart> {
  const [rows, columns] = transposed ? [...weight.shape].reverse() : weight.shape;
  if (isPacked(weight.dtype)) {
    const problem = `needs weights that are not quantised, but these are ${weight.dtype}: load the model without quantize, and call quantizeBase after getPeftModel`;
    throw new OptionError("", "initLoraWeights", "loftq", `"loftq" ${problem}`);
  }
  checkRank("loftq", rank, [rows, columns]);
  using w = fullWeight(weight, transposed);
  const quantized = (target: Tensor) =>
    loftqBits === 8 ? roundRows(target) : quantize4bit(target, { quantType: "nf4", blockSize: 64 });
  let start = await quantizeAndFactor(w, w.detach(), rank, quantized);
  for (let i = 1; i < loftqIter; i++) {
    using b = start.b;
    using a = start.a;
    start.weight.dispose();
    start = await quantizeAndFactor(
      w,
      noGrad(() => scope(() => sub(w, matmul(b, a)))),
      rank,
      quantized,
    );
  }
  return start;
}

/**
 * Returns the f32 values of a matrix that was rounded to 8-bit integers, as bitsandbytes does for LLM.int8(). Each row
 * has its own scale, which is its largest absolute value divided by 127. The values are first rounded to f16. A row of
 * zeros stays zero.
 */
function roundRows(matrix: Tensor): Tensor {
  const half = to(to(matrix, { dtype: "f16" }), { dtype: "f32" });
  const largest = max(abs(half), { dim: 1, keepdim: true });
  const scaled = mul(half, div(127, add(largest, eq(largest, 0).to("f32"))));
  // In f32, adding a number this large rounds to the nearest integer, and halves to even.
  const codes = sub(add(scaled, 1.5 * 2 ** 23), 1.5 * 2 ** 23);
  return mul(mul(codes, largest), 1 / 127);
}

/**
 * One step of LoftQ: quantises `target` to Q, and computes factors A and B whose product B A approximates w - Q. Frees
 * `target`.
 */
async function quantizeAndFactor(
  w: Tensor,
  target: Tensor,
  rank: number,
  quantized: (target: Tensor) => Tensor,
): Promise<LoftQStart> {
  const [weight, rest] = noGrad(() =>
    scope(() => {
      const q = quantized(target);
      return [q, sub(w, to(q, { dtype: "f32" }))] as const;
    }),
  );
  target.dispose();
  using left = rest;
  return { weight, ...(await svdFactors(left, rank)) };
}
