import {
  cat,
  flip,
  type Generator,
  linear,
  matmul,
  rand,
  scope,
  slice,
  split,
  type Tensor,
  zeros,
} from "@lowrank/core";
import { Dropout, Module, Parameter } from "@lowrank/nn";

/**
 * The weights and biases of one LSTM layer for one direction. In PyTorch, their names for layer 0 end in "l0"
 * (forwards) or "l0_reverse" (backwards).
 */
interface Direction {
  inputs: Parameter;
  states: Parameter;
  inputBias: Parameter;
  stateBias: Parameter;
}

/** A bidirectional LSTM of several layers for one sequence, like torch.nn.LSTM. Hochreiter and Schmidhuber 1997. */
export class Lstm extends Module {
  readonly hiddenSize: number;
  readonly #layers: { forwards: Direction; backwards: Direction }[] = [];
  /** The dropout between the LSTM's layers. */
  between: Dropout;

  constructor(
    inputSize: number,
    hiddenSize: number,
    options: { layers: number; dropout: number; generator: Generator },
  ) {
    super();
    this.hiddenSize = hiddenSize;
    this.between = new Dropout(options.dropout, options.generator.fork(1));
    for (let layer = 0; layer < options.layers; layer++) {
      const width = layer === 0 ? inputSize : 2 * hiddenSize;
      this.#layers.push({
        forwards: this.#direction(`l${layer}`, width, options.generator),
        backwards: this.#direction(`l${layer}_reverse`, width, options.generator),
      });
    }
  }

  #direction(name: string, width: number, generator: Generator): Direction {
    const bound = 1 / Math.sqrt(this.hiddenSize);
    const draw = (key: string, shape: number[]): Parameter => {
      using data = rand(shape, { generator, low: -bound, high: bound });
      const parameter = new Parameter(data);
      (this as unknown as Record<string, Parameter>)[`${key}_${name}`] = parameter;
      return parameter;
    };
    const gates = 4 * this.hiddenSize;
    return {
      inputs: draw("weight_ih", [gates, width]),
      states: draw("weight_hh", [gates, this.hiddenSize]),
      inputBias: draw("bias_ih", [gates]),
      stateBias: draw("bias_hh", [gates]),
    };
  }

  /** Maps x [T, in] to the concatenated states of both directions, [T, 2 hidden]. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      let y = x;
      for (const [i, { forwards, backwards }] of this.#layers.entries()) {
        const seen = i > 0 ? this.between.forward(y) : y;
        const later = flip(this.#run(backwards, flip(seen, [0])), [0]);
        y = cat([this.#run(forwards, seen), later], { dim: 1 });
      }
      return y;
    });
  }

  #run({ inputs, states, inputBias, stateBias }: Direction, x: Tensor): Tensor {
    const given = linear(x, inputs, inputBias);
    const { backend } = x.storage;
    let [h, c] = [zeros([1, this.hiddenSize], { backend }), zeros([1, this.hiddenSize], { backend })];
    const outputs: Tensor[] = [];
    for (let t = 0; t < x.shape[0]; t++) {
      const gates = slice(given, { dim: 0, start: t, end: t + 1 })
        .add(matmul(h, states, { transposeB: true }))
        .add(stateBias);
      const [input, forget, cell, output] = split(gates, this.hiddenSize, { dim: 1 });
      c = forget.sigmoid().mul(c).add(input.sigmoid().mul(cell.tanh()));
      h = output.sigmoid().mul(c.tanh());
      outputs.push(h);
    }
    return cat(outputs, { dim: 0 });
  }
}
