import { cat, copyInto, noGrad, randn, scope, slice, type Tensor, zeros } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import { checkInteger, refuse, setOptions } from "../../config/checks.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import {
  PromptLearningConfig,
  type PromptLearningOptions,
  promptFields,
  type ResolvedPromptConfig,
} from "../../config/promptLearningConfig.ts";
import { PromptEncoder } from "../../prompt/promptEncoder.ts";
import { modulesToSaveOption, virtualTokensOption } from "../shared/commonOptions.ts";
import { definePromptMethod, type PromptMethod } from "../shared/method.ts";

/** Options of `CartridgeConfig`. */
export interface CartridgeOptions extends PromptLearningOptions {
  /**
   * Number of virtual tokens at the start that are not trained. The first token of a text often takes attention that no
   * other token needs, and training it harms the model. Default: 1.
   */
  numFrozenTokens?: number;
}

const cartridgeFormat: ConfigFormat = {
  classic: [...promptFields, "num_frozen_tokens"],
  floats: [],
  refused: {},
  ignored: {},
};

/** Configuration of cartridges (Eyuboglu et al. 2025, https://arxiv.org/abs/2506.06266). */
export class CartridgeConfig extends PromptLearningConfig {
  readonly numFrozenTokens: number = 1;

  constructor(options: CartridgeOptions) {
    super("CARTRIDGE", options);
    setOptions(this, options, cartridgeFormat);
    checkInteger(this, "numFrozenTokens", this.numFrozenTokens, 0);
    const { numVirtualTokens: most } = this;
    if (most !== null && this.numFrozenTokens > most) {
      refuse(this, "numFrozenTokens", this.numFrozenTokens, `at most numVirtualTokens, which is ${most}`);
    }
  }
}

type Resolved = ResolvedPromptConfig<CartridgeConfig>;

/** Keys and values of all layers for each virtual token, of which the first tokens are not trained. */
class Cartridge extends PromptEncoder {
  frozen_embedding?: Parameter;
  trainable_embedding: Parameter;

  constructor(frozen: Tensor | null, trainable: Tensor) {
    super();
    if (frozen) this.frozen_embedding = new Parameter(frozen, { requiresGrad: false });
    this.trainable_embedding = new Parameter(trainable);
  }

  rows(): Tensor {
    const { frozen_embedding: frozen, trainable_embedding: trainable } = this;
    return frozen ? cat([frozen, trainable], { dim: 0 }) : trainable;
  }

  override get frozen(): readonly Parameter[] {
    return this.frozen_embedding ? [this.frozen_embedding] : [];
  }

  override setRows(rows: Tensor): void {
    const { frozen_embedding: frozen, trainable_embedding: trainable } = this;
    if (!frozen) return;
    const end = frozen.shape[0];
    noGrad(() =>
      scope(() => {
        copyInto(frozen, slice(rows, { dim: 0, end }));
        copyInto(trainable, slice(rows, { dim: 0, start: end }));
      }),
    );
  }
}

/** Returns the number of elements of one virtual token, which consists of a key and a value for each layer. */
const widthOf = ({ numLayers, tokenDim }: Resolved): number => 2 * numLayers * tokenDim;

function cartridgeOf(config: Resolved, create: (shape: number[]) => Tensor): Cartridge {
  const { numFrozenTokens: frozen, numVirtualTokens: count } = config;
  const width = widthOf(config);
  return new Cartridge(frozen > 0 ? create([frozen, width]) : null, create([count - frozen, width]));
}

/**
 * Cartridges: keys and values of all layers, as in prefix tuning, of which the first tokens are frozen. Eyuboglu et
 * al. 2025, https://arxiv.org/abs/2506.06266
 */
export const cartridge: PromptMethod<CartridgeConfig> = definePromptMethod({
  peftType: "CARTRIDGE",
  sizes: ["numVirtualTokens"],
  Config: CartridgeConfig,
  format: cartridgeFormat,
  recipes: [
    {
      name: "cartridge",
      title: "cartridge",
      learningRate: 1e-1,
      config: ({ virtualTokens }) => new CartridgeConfig({ numVirtualTokens: virtualTokens }),
    },
  ],
  options: [
    virtualTokensOption,
    modulesToSaveOption,
    {
      field: "numFrozenTokens",
      flag: "num-frozen-tokens",
      type: "integer",
      least: 0,
      help: "virtual tokens at the start that are not trained",
    },
  ],
  kind: "cache",
  width: widthOf,
  trainsRows: () => true,
  createEncoder: ({ config, generator }) => cartridgeOf(config, (shape) => randn(shape, { generator })),
  emptyEncoder: (config) => cartridgeOf(config, (shape) => zeros(shape)),
});
