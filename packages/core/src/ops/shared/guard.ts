import type { TensorSpec, View } from "../../backends/backend.ts";
import { scalarLike } from "../../creation/create.ts";
import { type Arity, defineOp, expectCount, expectDType, type Op, type OpDefinition } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape } from "../../layout/shape.ts";
import { add } from "../binary/add.ts";
import { compare } from "../binary/compare.ts";
import { where } from "../binary/where.ts";
import { cat } from "../shapes/cat.ts";
import { sumToShape } from "../shapes/expand.ts";
import { slice } from "../shapes/slice.ts";
import { affine } from "../unary/affine.ts";
import { toDTypeOf, widen } from "../unary/to.ts";
import { copyInto, overwrite } from "./inPlace.ts";

/**
 * Parameters that every optimiser step shares. A guard is an f32 vector [n], passed as the last input, that can stop
 * the step.
 */
export interface Guarded {
  /**
   * "obey": apply the step only if all elements of the guard are finite. "test": change no parameter, but set the
   * guard's last element to NaN if the step would write a value that is not finite. Default: the op has no guard input.
   */
  readonly guard?: "obey" | "test";
}

/**
 * Returns the inputs except the guard, which is the last one. Throws unless the guard is an f32 vector with at least
 * one element.
 */
function unguarded(op: string, inputs: readonly TensorSpec[], { guard }: Guarded): readonly TensorSpec[] {
  if (guard === undefined) return inputs;
  const last = inputs.length - 1;
  expectDType(op, inputs, last, "f32");
  const { shape } = inputs[last];
  if (shape.length !== 1 || shape[0] === 0) {
    throw new Error(`${op}: the guard ${formatShape(shape)} must be a vector of at least one number`);
  }
  return inputs.slice(0, last);
}

const allFinite = ({ data, size }: View): boolean => data.subarray(0, size).every(Number.isFinite);

/** Wraps the reference implementation of an optimiser step, which has no guard, so that it follows `params.guard`. */
function guardedRef<P extends Guarded>(ref: NonNullable<OpDefinition<P>["ref"]>): NonNullable<OpDefinition<P>["ref"]> {
  return (inputs, outputs, params) => {
    if (params.guard === undefined) return ref(inputs, outputs, params);
    const guard = inputs[inputs.length - 1];
    const rest = inputs.slice(0, -1);
    if (params.guard === "obey") {
      if (allFinite(guard)) ref(rest, outputs, params);
      return;
    }
    const copies = rest.map((view): View => ({ ...view, data: view.data.slice() }));
    ref(copies, outputs, params);
    if (!copies.every(allFinite)) guard.data[guard.size - 1] = Number.NaN;
  };
}

/** A tensor that a step overwrites, and its new value. */
type Updated = readonly [before: Tensor, after: Tensor];

const zeroOrNaN = (x: Tensor): Tensor => sumToShape(affine(x, { scale: 0 }), { shape: [] });

/**
 * Finishes an optimiser step that is composed of other ops. If `how` is "obey", writes the new values if all elements
 * of the guard are finite. If `how` is "test", writes only to the guard: sets its last element to NaN if a new value is
 * not finite.
 */
function overwriteGuarded(updates: readonly Updated[], guard: Tensor, how: "obey" | "test"): void {
  if (how === "obey") {
    const open = compare(zeroOrNaN(guard), scalarLike(guard, 0), { relation: "eq" });
    for (const [before, after] of updates) {
      const [x, y] = [widen(before), widen(after)];
      copyInto(before, toDTypeOf(where(open, y, x), before));
    }
    return;
  }
  const last = guard.size - 1;
  const floats = updates.flatMap(([, after]) => (after.dtype === "f32" ? [zeroOrNaN(after)] : []));
  const said = floats.reduce((sum, flag) => add(sum, flag), slice(guard, { start: last }));
  copyInto(guard, cat(slice(guard, { end: last }), said, { dim: 0 }));
}

/** The definition of an optimiser step without a guard. `defineStep` adds the guard. */
interface StepDefinition<P> extends Required<Pick<OpDefinition<P>, "name" | "writes" | "ref">> {
  /** The minimum and maximum number of tensor inputs. The guard (see `Guarded`) is not counted. */
  readonly arity: Arity<number>;
  /** Throws if the shapes or dtypes of the inputs do not match each other or the parameters. */
  readonly check: (inputs: readonly TensorSpec[], params: P) => void;
  /** Computes the step from other ops. Returns each tensor that the step overwrites, with its new value. */
  readonly updated: (inputs: readonly Tensor[], params: P) => readonly Updated[];
  /**
   * Splits a step over many parameters into several calls of `run`. Each call gets the inputs of some of the
   * parameters, and the guard: in all, at most `most` tensors.
   */
  readonly inGroups?: (
    inputs: readonly Tensor[],
    guard: readonly Tensor[],
    most: number,
    run: (tensors: Tensor[]) => void,
  ) => void;
}

/** Defines an op that updates parameters in place, and adds the optional guard input to it. */
export function defineStep<P extends Guarded>(definition: StepDefinition<P>): Op<number, P, 0> {
  const { name, arity, writes, check, ref, updated, inGroups } = definition;
  const step: Op<number, Guarded, 0> = defineOp<number, P, 0>({
    name,
    arity: [arity[0], arity[1] + 1],
    writes,
    shape: (inputs, params) => {
      const rest = unguarded(name, inputs, params);
      expectCount(name, rest.length, arity);
      check(rest, params);
      return [];
    },
    inGroups:
      inGroups &&
      ((inputs, params, most) => {
        const count = inputs.length - Number(params.guard !== undefined);
        inGroups(inputs.slice(0, count), inputs.slice(count), most, (tensors) => step(...tensors, params));
        return [];
      }),
    ref: guardedRef(ref),
    compose: (inputs, params) => {
      const { guard: how } = params;
      if (how === undefined) return overwrite(...updated(inputs, params));
      overwriteGuarded(updated(inputs.slice(0, -1), params), inputs[inputs.length - 1], how);
      return [];
    },
  }) as Op<number, Guarded, 0>;
  return step as Op<number, P, 0>;
}
