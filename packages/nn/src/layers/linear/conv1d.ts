import { linear, randn, type Tensor, zeros } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { Module } from "../../module/module.ts";
import { expectParameter, Parameter } from "../../module/parameter.ts";
import { type CreateLayerOptions, expectSizes } from "../layerSizes.ts";

/** GPT-2's linear layer: y = x W + b, with `weight` stored [in, out]. */
export class Conv1D extends Module {
  weight: Parameter;
  bias: Parameter | null;

  /** Creates a layer from existing tensors. */
  constructor(weight: Parameter, bias?: Parameter | null);
  /**
   * Creates a fresh layer, with transformers' argument order: `nf` outputs, then `nx` inputs. The weight is drawn from
   * N(0, 0.02²), the bias is zero.
   */
  constructor(nf: number, nx: number, options?: Pick<CreateLayerOptions, "generator">);
  constructor(
    first: Parameter | number,
    second: Parameter | number | null = null,
    options: Pick<CreateLayerOptions, "generator"> = {},
  ) {
    super();
    if (typeof first === "number") {
      expectSizes("Conv1D", [first, second], "new Conv1D(192, 64)");
      checkOptions("Conv1D", options, { generator: true });
      using values = randn([second as number, first], { ...options, std: 0.02 });
      this.weight = new Parameter(values);
      this.bias = new Parameter(zeros([first]));
      return;
    }
    expectParameter("Conv1D", "weight", first, "new Conv1D(192, 64), or new Conv1D(weight, bias) with Parameters");
    this.weight = first;
    this.bias = second as Parameter | null;
  }

  override get layerKind(): "conv1d" {
    return "conv1d";
  }

  get inFeatures(): number {
    return this.weight.shape[0];
  }

  get outFeatures(): number {
    return this.weight.shape[1];
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias, { fanInFanOut: true });
  }
}
