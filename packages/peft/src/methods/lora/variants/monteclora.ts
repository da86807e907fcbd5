import {
  add,
  affine,
  copyInto,
  div,
  exp,
  log,
  matmul,
  maximum,
  mean,
  mul,
  noGrad,
  rand,
  randn,
  scope,
  softmax,
  sqrt,
  sub,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import type { LayerAdapter, LowRank } from "../../../layers/tunerLayer.ts";
import type { LayerContext } from "../../shared/method.ts";
import type { LoraConfig, MontecloraConfig } from "../loraConfig.ts";
import { rankAndScaling } from "../loraScaling.ts";
import type { LinearStart } from "../loraStart.ts";
import { digamma, lgamma } from "./gamma.ts";
import { VariantLinear } from "./variantLinear.ts";

const [deviations, weights] = ["lora_monteclora_sampler.std_prior", "lora_monteclora_sampler.expert_weights_prior"];
const [variance, used] = ["lora_monteclora_sampler.gaussian_var_prior", "lora_monteclora_sampler.expert_weights"];

/** Random values of the last forward pass in training. */
interface Draws {
  /** The diagonal of a Wishart matrix with r degrees of freedom, [r]. */
  wishart: Float32Array;
  /** Normal values for the weights of the samples, [samples]. */
  dirichlet: Float32Array;
}

/**
 * MonteCLoRA on a linear layer: LoRA whose A is, in training, the weighted mean of samples around A. The samples'
 * variances and weights are drawn from distributions whose parameters train too. In evaluation, A is used. 2024,
 * https://arxiv.org/abs/2411.04358
 */
export class MontecloraLinear extends VariantLinear {
  /** The variances and weights of the last forward pass in training, [r, r] and [samples]. */
  readonly buffers: Readonly<Record<string, Tensor>>;
  readonly #options: MontecloraConfig;
  #last: Draws | null = null;

  constructor(context: LayerContext<LoraConfig>, start: LinearStart) {
    const { config, path, backend, generator, loading } = context;
    const { numSamples } = config.montecloraConfig!;
    const { r } = rankAndScaling(config, path);
    const prior = (size: number) => {
      using values = loading ? zeros([size], { backend }) : rand([size], { generator, backend });
      return new Parameter(values);
    };
    super(context, start, "lora_monteclora", { [deviations]: prior(r), [weights]: prior(numSamples) });
    this.#options = config.montecloraConfig!;
    this.buffers = {
      [variance]: scope(() => this.#identity()),
      [used]: tensor(new Float32Array(numSamples).fill(1 / numSamples), { backend }),
    };
  }

  get lowRank(): LowRank | undefined {
    return this.plainProduct;
  }

  #tensor(values: Float32Array): Tensor {
    return tensor(values, { backend: this.a.storage.backend });
  }

  #identity(): Tensor {
    const { rank } = this;
    const values = Float32Array.from({ length: rank * rank }, (_, i) => (i % (rank + 1) === 0 ? 1 : 0));
    return this.#tensor(values).reshape([rank, rank]);
  }

  #normal(length: number): Float32Array {
    const values = new Float32Array(length);
    this.generator.fillNormal(values);
    return values;
  }

  #draw(): Draws {
    const { rank } = this;
    const squares = this.#normal(rank * rank).map((value) => value * value);
    // A diagonal element of this Wishart matrix is a sum of r squares, independent of the others.
    const wishart = Float32Array.from({ length: rank }, (_, i) =>
      squares.subarray(i * rank, (i + 1) * rank).reduce((total, value) => total + value, 0),
    );
    return { wishart, dirichlet: this.#normal(this.#options.numSamples) };
  }

  /** Returns the variances of A's rows, [r]. */
  #variances({ wishart }: Draws): Tensor {
    const own = exp(affine(this.parameters[deviations], { scale: 2 }));
    return maximum(mul(own, this.#tensor(wishart)), 1e-3);
  }

  /** Returns the weights of the samples, [samples]: a softmax of normal values, which approximates a Dirichlet draw. */
  #weights({ dirichlet }: Draws): Tensor {
    const { numSamples } = this.#options;
    const alpha = maximum(exp(this.parameters[weights]), 1e-6);
    const logs = log(alpha);
    const inverse = div(1, alpha);
    const spread = affine(sum(inverse), { scale: 1 / numSamples ** 2 });
    const variances = maximum(add(affine(inverse, { scale: 1 - 2 / numSamples }), spread), 1e-6);
    const noise = mul(sqrt(affine(variances, { shift: 1e-6 })), this.#tensor(dirichlet));
    return softmax(add(noise, sub(logs, mean(logs))), { dim: -1 });
  }

  protected low(x: Tensor): Tensor {
    const { a } = this;
    if (!this.training) return matmul(x, a, { transposeB: true });
    const { numSamples, sampleScaler } = this.#options;
    const draws = this.#draw();
    this.#last = draws;
    const variances = this.#variances(draws);
    const shares = this.#weights(draws);
    this.#store(variances, shares);
    const [rows, columns] = a.shape;
    const samples = randn([numSamples, rows * columns], { generator: this.generator, backend: a.storage.backend });
    const combined = matmul(shares.reshape([1, -1]), samples).reshape([rows, columns]);
    const noise = mul(combined, affine(sqrt(variances), { scale: sampleScaler }).reshape([-1, 1]));
    return matmul(x, add(a, noise), { transposeB: true });
  }

  #store(variances: Tensor, shares: Tensor): void {
    noGrad(() => {
      const { buffers } = this;
      copyInto(buffers[variance], mul(this.#identity(), variances.detach()));
      copyInto(buffers[used], shares.detach());
    });
  }

  /**
   * In training, returns the layer's share of the mean over all layers: the distances of its distributions from their
   * priors, and the sum of the squared weights with `useEntropy`. Null in evaluation.
   */
  penalty(layers: readonly LayerAdapter[]): Tensor | null {
    if (!this.training) return null;
    const { useEntropy, klLossWeight } = this.#options;
    const distances = affine(add(this.#dirichletDistance(), this.#gaussianDistances()), { scale: klLossWeight });
    const shares = this.#last ? this.#weights(this.#last) : this.buffers[used];
    const total = useEntropy ? add(distances, sum(mul(shares, shares))) : distances;
    return affine(total, { scale: 1 / layers.length });
  }

  /** Returns PEFT's distance of the weights' Dirichlet distribution from its prior. */
  #dirichletDistance(): Tensor {
    const { numSamples, dirichletPrior } = this.#options;
    const alpha = exp(this.parameters[weights]);
    const total = sum(alpha).reshape([1]);
    const prior = this.#tensor(Float32Array.of(dirichletPrior, dirichletPrior * numSamples));
    const [ofPrior, ofTotal] = [lgamma(prior.slice([0, 1])), lgamma(prior.slice([1, 2]))];
    const differences = sub(digamma(alpha), digamma(total));
    return add(
      add(sum(sub(lgamma(total), ofTotal)), sum(sub(lgamma(alpha), ofPrior))),
      sum(mul(affine(alpha, { shift: -dirichletPrior }), differences)),
    );
  }

  /** Returns PEFT's distances of the variances and of the drawn variances from the identity. */
  #gaussianDistances(): Tensor {
    const { rank } = this;
    const priors = this.parameters[deviations];
    const own = sub(sum(exp(affine(priors, { scale: 2 }))), affine(sum(priors), { scale: 2 }));
    const wishart = affine(own, { scale: rank / 2, shift: -(rank ** 2) / 2 });
    const drawn = this.#last
      ? this.#variances(this.#last)
      : sum(mul(this.buffers[variance], this.#identity()), { dim: 1 });
    const variances = maximum(drawn, 1e-6);
    const gaussian = affine(sub(sum(variances), sum(log(variances))), { shift: -rank });
    return add(wishart, affine(gaussian, { scale: this.#options.numSamples / 2 }));
  }
}
