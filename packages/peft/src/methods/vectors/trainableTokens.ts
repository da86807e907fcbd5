import { OptionError, scope, type Tensor } from "@lowrank/core";
import type { Module, Parameter, UnaryModule } from "@lowrank/nn";
import { lookUpRows, replaceRows, scoreRows, type TokenRows, tokenRows } from "../../layers/tokenRows.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { inputEmbedding } from "../../targets/embeddings.ts";
import { matchesPath } from "../../targets/matchTargets.ts";
import { initWeightsOption, targetsOption } from "../shared/commonOptions.ts";
import { draws } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { TrainableTokensConfig, trainableTokensFormat } from "./trainableTokensConfig.ts";

/** Layers with the same table, and the rows that an adapter trains in it. */
interface Table {
  readonly owners: Module[];
  rows: TokenRows | null;
}

interface Tables extends SharedTensors {
  readonly tables: ReadonlyMap<Parameter, Table>;
}

type Weighted = Module & { weight?: Parameter; bias?: Parameter | null };

const weightOf = (module: Module): Parameter | undefined => (module as Weighted).weight;

/**
 * Returns the paths of the modules that `targetModules` selects. If the input embedding is one of them, the modules
 * with the same table are too.
 */
function withTied({ targetModules }: TrainableTokensConfig, model: Module): string[] {
  const wanted = targetModules ?? [];
  const modules = [...model.namedModules()].filter(([path]) => path !== "");
  const selected = new Set(modules.flatMap(([path, module]) => (matchesPath(wanted, path) ? [module] : [])));
  const input = inputEmbedding(model)?.[1];
  const table = input && selected.has(input) ? input.weight : null;
  const paths = modules.flatMap(([path, module]) => {
    return selected.has(module) || (table !== null && weightOf(module) === table) ? [path] : [];
  });
  if (paths.length > 0) return paths;
  throw new OptionError("", "targetModules", targetModules, `${JSON.stringify(targetModules)} matches no module`);
}

/** Finds the layers that share a table. */
function findTables({ layers }: SharedContext<TrainableTokensConfig>): Tables {
  const tables = new Map<Parameter, Table>();
  for (const { base } of layers) {
    const weight = weightOf(base)!;
    const table = tables.get(weight);
    if (table) table.owners.push(base);
    else tables.set(weight, { owners: [base], rows: null });
  }
  return { tables };
}

/** The tokens whose rows were replaced in a merged table. */
const mergedTokens = new WeakMap<Tensor, readonly number[]>();

/** Trained rows of an embedding, or of an output layer. Layers with the same table share them. */
class TokenLayer implements LayerAdapter {
  readonly parameters: { readonly trainable_tokens_delta: Parameter };
  readonly constants: readonly Tensor[];
  readonly owners: readonly Module[];
  readonly changedRows: readonly number[];
  readonly #rows: TokenRows;
  readonly #run: typeof lookUpRows;

  constructor(context: LayerContext<TrainableTokensConfig>) {
    const { base, config, kind, path, loading, shared } = context;
    if (config.tokenIndices.length === 0) {
      throw new OptionError(
        "TrainableTokensConfig",
        "tokenIndices",
        [],
        "is empty; give the ids of the tokens to train",
      );
    }
    if ((base as Weighted).bias) {
      throw new Error(`${path} has a bias, which PEFT's trainable tokens would leave out; leave the layer out`);
    }
    const weight = weightOf(base)!;
    const table = (shared as Tables).tables.get(weight)!;
    const { zero, normal } = draws(context);
    const start = loading ? zero : config.initWeights ? undefined : normal(1);
    const first = table.rows === null;
    table.rows ??= tokenRows(weight, config.tokenIndices, path, { option: "tokenIndices", start });
    this.#rows = table.rows;
    this.#run = kind === "embedding" ? lookUpRows : scoreRows;
    this.parameters = { trainable_tokens_delta: table.rows.delta };
    this.constants = first ? [table.rows.position, table.rows.flag] : [];
    this.owners = first ? table.owners : [];
    this.changedRows = config.tokenIndices;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => this.#run(base, x, this.#rows));
  }

  merge(base: DenseLayer): DenseLayer {
    const before = mergedTokens.get(base.weight) ?? [];
    const twice = this.changedRows.find((token) => before.includes(token));
    if (twice !== undefined) {
      throw new Error(`two adapters train the embedding of token ${twice}; merge one of them alone`);
    }
    const merged = mapWeight(base, (table) => replaceRows(table, this.#rows));
    mergedTokens.set(merged.weight, [...before, ...this.changedRows]);
    return merged;
  }
}

/**
 * Trainable tokens: trains the embeddings of some tokens. PEFT's documentation describes it,
 * https://huggingface.co/docs/peft/package_reference/trainable_tokens
 */
export const trainableTokens: PeftMethod<TrainableTokensConfig> = definePeftMethod({
  peftType: "TRAINABLE_TOKENS",
  sizes: [],
  Config: TrainableTokensConfig,
  format: trainableTokensFormat,
  trainsHeads: false,
  recipes: [
    {
      name: "trainable-tokens",
      title: "trainable tokens",
      learningRate: 3e-2,
      usualLearningRate: 0.2,
      // In many models, these tokens begin and end a text.
      config: () => new TrainableTokensConfig({ tokenIndices: [1, 2] }),
    },
  ],
  options: [
    targetsOption,
    {
      field: "tokenIndices",
      flag: "token-indices",
      type: "integers",
      least: 0,
      help: "ids of the tokens to train, such as 1,2",
    },
    initWeightsOption(),
  ],
  kinds: ["embedding", "linear"],
  defaultTargets: {},
  targets: withTied,
  // PEFT writes the embedding's path.
  resolve: (config, _modelType, model) => {
    if (config.targetModules !== null) return config;
    return config.with({ targetModules: inputEmbedding(model)?.[0] ?? "embed_tokens" });
  },
  adaptsRows: true,
  swappable: { fields: ["initWeights"] },
  createShared: findTables,
  createLayer: (context) => new TokenLayer(context),
});
