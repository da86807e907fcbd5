import { OptionError, scope, type Tensor } from "@lowrank/core";
// webpack would put functions of the main entry into the first chunk of pages without convolutions.
import { fold, unfold } from "@lowrank/core/functions";
import type { Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import {
  type Convolution,
  type ConvolutionSizes,
  expectSquareFilters,
  inBothDimensions,
  sizesOf,
} from "../shared/convolution.ts";
import type { LayerContext } from "../shared/method.ts";
import type { OFTConfig } from "./oftConfig.ts";

/** OFT's adapter of a linear layer, which rotates blocks of features. */
interface Rotation extends LayerAdapter {
  readonly constants: readonly Tensor[];
  /** Rotates each block of features in x [..., features]. */
  rotate(x: Tensor): Tensor;
  merge(dense: DenseLayer): DenseLayer;
}

/** Throws for a dilation in the first dimension, as PEFT does. */
function checkDilation({ base, path }: LayerContext<OFTConfig>): void {
  const { dilation = 1 } = (base as Convolution).options;
  if (inBothDimensions(dilation)[0] === 1) return;
  throw new OptionError("", "targetModules", path, (named) => {
    return `${path} has the dilation ${JSON.stringify(dilation)}, which OFT does not support; leave ${path} out of ${named("targetModules")}`;
  });
}

/**
 * OFT on a convolution in two dimensions: rotates the windows of the input, [channels · elements], and sums them to a
 * new input. A window has the size of a filter, without padding and with a stride of 1. As in PEFT, the windows are
 * summed with their dimensions in another order. So the convolution can only be merged if a filter has one element.
 */
export class OftConvolution implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly constants: readonly Tensor[];
  readonly unmergeable?: string;
  readonly #rotation: Rotation;
  readonly #kernel: readonly [height: number, width: number];

  constructor(context: LayerContext<OFTConfig>, rotation: (sizes: ConvolutionSizes) => Rotation) {
    expectSquareFilters(context, "OFT");
    checkDilation(context);
    const { base, path, warn } = context;
    const sizes = sizesOf(base);
    this.#rotation = rotation(sizes);
    const { parameters, constants } = this.#rotation;
    this.parameters = parameters;
    this.constants = constants;
    const [height, width] = sizes.kernel;
    this.#kernel = [height, width];
    if (sizes.elements > 1) {
      this.unmergeable = `OFT reorders windows of ${height} x ${width}, as in PEFT, which no filters compute`;
      const message = `${path} has filters of ${height} x ${width}, for which OFT sums overlapping windows in another order, as in PEFT: the adapter changes outputs from the start, and cannot be merged into the weights`;
      warn({ code: "unmergeable", message });
    } else if (sizes.groups > 1) {
      this.unmergeable = `the convolution has ${sizes.groups} groups`;
      const message = `${path} has ${sizes.groups} groups, so that the adapter cannot be merged into the weights`;
      warn({ code: "unmergeable", message });
    }
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const [height, width] = x.shape.slice(-2);
      const windows = unfold(x, this.#kernel);
      const [n, features, count] = windows.shape;
      const rotated = this.#rotation.rotate(windows.transpose(1, 2));
      // PEFT's order: [channels, windows, elements] takes the place of [channels, elements, windows].
      const byChannel = rotated.reshape([n, count, x.shape[1], -1]).transpose(1, 2);
      return base.forward(fold(byChannel.reshape([n, features, count]), [height, width], this.#kernel));
    });
  }

  /** Rotates the filters. Undefined for a convolution that cannot be merged. */
  get merge(): ((dense: DenseLayer) => DenseLayer) | undefined {
    return this.unmergeable === undefined ? (dense) => this.#merged(dense) : undefined;
  }

  #merged({ weight, ...rest }: DenseLayer): DenseLayer {
    const rows = { weight: weight.reshape([weight.shape[0], -1]), ...rest };
    return { weight: this.#rotation.merge(rows).weight.reshape(weight.shape), ...rest };
  }
}
