import { add, affine, einsum, matmul, mul, OptionError, scope, type Tensor, tensor } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { checkFlags, checkInteger, refuse } from "../../config/checks.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import type { BdLoraConfig, LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";
import type { LinearStart } from "./loraStart.ts";

/**
 * Returns which factor of the layer at `path` is block-diagonal in BD-LoRA; null for a layer that has plain LoRA. A
 * name of `targetModulesBdA` or `targetModulesBdB` matches anywhere in the path. Throws if names of both match, if none
 * does although `matchStrict` is set, and for options out of range.
 */
export function blockFactor({ config, path, kind }: LayerContext<LoraConfig>): "a" | "b" | null {
  checkBdlora(config, config.useBdlora!);
  const { targetModulesBdA, targetModulesBdB, matchStrict } = config.useBdlora!;
  const [isA, isB] = [targetModulesBdA, targetModulesBdB].map((names) => names?.some((name) => path.includes(name)));
  const problem = (text: string) =>
    new OptionError("", "useBdlora", config.useBdlora, (named) => `${named("useBdlora")}: ${text}`);
  if (isA && isB) throw problem(`${path} matches a name of targetModulesBdA and one of targetModulesBdB`);
  if (matchStrict && !isA && !isB) {
    throw problem(
      `${path} matches no name of targetModulesBdA or targetModulesBdB; add one, or set matchStrict: false`,
    );
  }
  if (!isA && !isB) return null;
  if (kind !== "linear") throw problem(`${path} is a ${kind} layer, which PEFT supports only without blocks`);
  return isA ? "a" : "b";
}

/** Throws for values of `useBdlora` that are out of range, and for options that exclude it. */
function checkBdlora(config: LoraConfig, options: BdLoraConfig): void {
  const { targetModulesBdA, targetModulesBdB, nblocks, matchStrict } = options;
  checkInteger(config, "useBdlora.nblocks", nblocks);
  checkFlags(config, { "useBdlora.matchStrict": matchStrict });
  for (const name of ["targetModulesBdA", "targetModulesBdB"] as const) {
    const names = options[name];
    if (names === null || (Array.isArray(names) && names.every((one) => typeof one === "string"))) continue;
    refuse(config, `useBdlora.${name}`, names, "a list of names, or null");
  }
  const both = targetModulesBdA?.find((name) => targetModulesBdB?.includes(name));
  if (both !== undefined) refuse(config, "useBdlora.targetModulesBdA", both, "a name that targetModulesBdB lacks");
  const { initLoraWeights: init, useDora, loraBias } = config;
  if (useDora) refuse(config, "useDora", true, (named) => `false with ${named("useBdlora")}`);
  if (loraBias) refuse(config, "loraBias", true, (named) => `false with ${named("useBdlora")}`);
  if (typeof init === "string" && init !== "gaussian") {
    refuse(config, "initLoraWeights", init, (named) => `true, false or "gaussian" with ${named("useBdlora")}`);
  }
}

/** Returns the product [..., n · out] of x [..., n · in] and n blocks, which are the rows of a matrix [n · out, in]. */
function timesBlocks(x: Tensor, blocks: Tensor, n: number): Tensor {
  const [rows, columns] = blocks.shape;
  const w = blocks.reshape([n, rows / n, columns]);
  return einsum("bim,inm->bin", x.reshape([-1, n, columns]), w).reshape([...x.shape.slice(0, -1), rows]);
}

/** Returns the matrix [n · out, n · in] with n blocks on its diagonal. The blocks are the rows of [n · out, in]. */
function blockDiagonal(blocks: Tensor, n: number): Tensor {
  const [rows, columns] = blocks.shape;
  const inBlock = (i: number) => Math.floor((i * n) / rows);
  const mask = Float32Array.from({ length: rows * n }, (_, i) => (inBlock(Math.floor(i / n)) === i % n ? 1 : 0));
  const flags = tensor(mask, { shape: [rows, n, 1], backend: blocks.storage.backend });
  return mul(blocks.reshape([rows, 1, columns]), flags).reshape([rows, n * columns]);
}

/**
 * BD-LoRA on a linear layer: LoRA with a factor that has `nblocks` blocks on its diagonal. The file contains only the
 * blocks: A [r, in / nblocks], or B [out, r / nblocks].
 */
export class BdLoraLinear implements LayerAdapter {
  readonly parameters: { readonly "lora_A.weight": Parameter; readonly "lora_B.weight": Parameter };
  readonly modules: Record<string, Module>;
  scaling: number;
  readonly #dropout: Dropout;
  readonly #factor: "a" | "b";
  readonly #blocks: number;

  constructor(context: LayerContext<LoraConfig>, start: LinearStart, factor: "a" | "b") {
    const { base, config, path, dtypeOf, loading } = context;
    const { inFeatures, outFeatures } = base as Linear;
    const { r, scaling } = rankAndScaling(config, path);
    const { nblocks } = config.useBdlora!;
    for (const size of [r, factor === "a" ? inFeatures : outFeatures]) {
      if (size % nblocks === 0) continue;
      throw new OptionError("", "useBdlora", config.useBdlora, (named) => {
        const sizes = `the rank ${r} and the ${factor === "a" ? `${inFeatures} inputs` : `${outFeatures} outputs`}`;
        return `${named("useBdlora")}: nblocks is ${nblocks}; it must divide ${sizes} of ${path}`;
      });
    }
    const { zero, uniform } = draws(context);
    const blockA = factor === "a";
    const width = blockA ? inFeatures / nblocks : inFeatures;
    // PEFT starts blocks of A with PyTorch's Kaiming bound for a ReLU, and blocks of B at zero.
    const a = blockA && !loading ? uniform(Math.sqrt(6 / width)) : start.a;
    this.parameters = {
      "lora_A.weight": drawn(a, [r, width], dtypeOf("lora_A.weight")),
      "lora_B.weight": drawn(
        blockA ? start.b : zero,
        [outFeatures, blockA ? r : r / nblocks],
        dtypeOf("lora_B.weight"),
      ),
    };
    this.#dropout = layerDropout(context, config.loraDropout);
    this.modules = config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {};
    this.scaling = scaling;
    this.#factor = factor;
    this.#blocks = nblocks;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const [a, b] = Object.values(this.parameters).map(toF32);
    const dropped = this.#dropout.forward(x);
    const blockA = this.#factor === "a";
    const low = blockA ? timesBlocks(dropped, a, this.#blocks) : matmul(dropped, a, { transposeB: true });
    const scaled = affine(low, { scale: this.scaling });
    return blockA ? matmul(scaled, b, { transposeB: true }) : timesBlocks(scaled, b, this.#blocks);
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    const [a, b] = Object.values(this.parameters).map(toF32);
    const [fullA, fullB] =
      this.#factor === "a" ? [blockDiagonal(a, this.#blocks), b] : [a, blockDiagonal(b, this.#blocks)];
    return { weight: add(weight, affine(matmul(fullB, fullA), { scale: this.scaling })), ...rest };
  }
}
