import { mean, scope, square, sub, type Tensor, tanh, tensor } from "@lowrank/core";
import { Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";

/** Decodes float32 values in base64. */
export const floats = (text: string): Float32Array<ArrayBuffer> =>
  new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

/** The inputs and targets of `TwoLayers`. */
export interface TwoLayersBatch {
  x: Tensor;
  target: Tensor;
}

/** Two layers and a loss, as in conformance/python/adalora.py. `weights` are float32 values in base64. */
export class TwoLayers extends Module {
  first: UnaryModule;
  second: UnaryModule;

  constructor(weights: Readonly<Record<string, string>>) {
    super();
    const of = (name: string, shape: number[]) => new Parameter(tensor(floats(weights[name]), { shape }));
    this.first = new Linear(of("first.weight", [5, 6]), of("first.bias", [5]));
    this.second = new Linear(of("second.weight", [4, 5]), of("second.bias", [4]));
  }

  forward({ x }: TwoLayersBatch): Tensor {
    return this.second.forward(tanh(this.first.forward(x)));
  }

  loss(inputs: TwoLayersBatch): Tensor {
    return scope(() => mean(square(sub(this.forward(inputs), inputs.target))));
  }
}
