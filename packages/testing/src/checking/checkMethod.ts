import { OptionError } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { type AnyMethod, knownMethods, PeftConfig } from "@lowrank/peft";
import { methodOf } from "@lowrank/peft/internal";
import { PropertyError } from "../errors/propertyError.ts";
import { UnfitError } from "../errors/unfitError.ts";
import { exemptionOf } from "../properties/exemptions.ts";
import { type Property, type PropertyName, properties } from "../properties/properties.ts";
import { type ConfigDescription, configFrom } from "../subjects/configDescription.ts";
import type { ModelArguments } from "../subjects/inputs.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { type CasesRun, linesOf, type PropertyCase, withLines } from "./cases.ts";
import { type GivenParts, runFixedCases } from "./fixedCases.ts";

/** Options of `checkMethod`. */
export interface CheckMethodOptions {
  /**
   * The model: a description of a small language model, a function that makes a module, or a module, which gets its old
   * weights and modes back. Default: small language models are drawn.
   */
  model?: ModelSubject;
  /**
   * A description of token ids, or the arguments of the model's `forward`. Required for custom modules. Default: token
   * ids are drawn, or 3 sequences of 4 tokens if `model` is given.
   */
  inputs?: ModelArguments;
  /** Names of the properties to test. Default: all. */
  properties?: readonly PropertyName[];
  /** Number of cases for each property. Default: 5. */
  runs?: number;
  /** Seed of the drawn cases. Default: 0, so that every run draws the same cases. */
  seed?: number;
  /** Properties that a custom method does not have, each with the reason. */
  exempt?: Readonly<Partial<Record<PropertyName, string>>>;
  /** True to use a fixed list of cases even if fast-check is installed. Default: false. */
  fixed?: boolean;
}

const checkMethodKeys: OptionKeys<CheckMethodOptions> = {
  ...({ model: true, inputs: true, properties: true, runs: true, seed: true, exempt: true, fixed: true } as const),
};

/** Result of `checkMethod`: the properties that hold, and the properties that do not apply. */
export interface MethodCheck {
  /** The method's `peftType`. */
  method: string;
  /** The option `seed`. */
  seed: number;
  /**
   * The properties that hold, each with the number of tested cases. `unfit` has the reasons of cases to which the
   * adapter could not be added; it is absent if there were none.
   */
  passed: { property: PropertyName; cases: number; unfit?: readonly string[] }[];
  /** The properties that do not apply, each with the reason. */
  skipped: { property: PropertyName; reason: string }[];
}

/** Returns the reason that no configuration of a method can be drawn; null if it can. */
function undrawable(method: AnyMethod): string | null {
  return method.experts ? "it mixes saved adapters, which cannot be drawn; give a configuration with adapters" : null;
}

/**
 * Tests all properties that apply to a method or a configuration. With a method's name, draws configurations of it;
 * with a configuration, uses that one. If fast-check is installed, it draws models, inputs and adapter values, and
 * shrinks a failing case to a small model. Otherwise a fixed list of cases is used. Needs a backend: call `init` first.
 *
 * Throws the `PropertyError` of the first property that fails, with the smallest failing case, after testing all
 * properties. Throws a `PropertyError` with code "no_case" if no case fitted a property for other reasons than the
 * exemptions. Throws `OptionError` for an unknown method or property.
 *
 * @example
 * ```ts
 * for (const method of await methodNames()) test(method, () => checkMethod(method));
 *
 * const { skipped } = await checkMethod(new LoraConfig({ r: 2 }), { model: () => new Net(), inputs: [x] });
 * ```
 */
export async function checkMethod(
  subject: string | PeftConfig | ConfigDescription,
  options: CheckMethodOptions = {},
): Promise<MethodCheck> {
  checkOptions("checkMethod", options, checkMethodKeys);
  const { runs = 5, seed = 0, fixed = false, exempt = {}, model, inputs } = options;
  if (!Number.isInteger(runs) || runs < 1) {
    throw new OptionError("checkMethod", "runs", runs, `is ${runs}; give an integer of at least 1`);
  }
  namesOf(Object.keys(exempt) as PropertyName[], "exempt");
  const { method, config } = await resolved(subject);
  const run = fixed ? runFixedCases : await bestRunner();
  const result: MethodCheck = { method: method.peftType, seed, passed: [], skipped: [] };
  const failures: PropertyError[] = [];
  const untested: string[] = [];
  for (const property of namesOf(options.properties)) {
    const declared = exempt[property] ?? (config ? exemptionOf(property, method, config) : undrawable(method));
    if (declared) {
      result.skipped.push({ property, reason: declared });
      continue;
    }
    const exemptions = new Set<string>();
    const check = applying(property, method, config, exemptions);
    const isQuantized = property === "requantizedMergeWithinBound";
    const given: GivenParts = { method, config, model, inputs, isQuantized, runs, seed };
    const ran = await run(check, given);
    if (ran.failure !== null) failures.push(errorOf(property, ran));
    else if (ran.cases > 0) {
      const { cases } = ran;
      const unfit = ran.unfit.filter((reason) => !exemptions.has(reason));
      result.passed.push({ property, cases, ...(unfit.length > 0 && { unfit }) });
    } else {
      const reason = reasonOf(property, ran, exemptions, model !== undefined);
      if (exemptions.size === 0 && !reason.startsWith(noMerge)) untested.push(reason);
      result.skipped.push({ property, reason });
    }
  }
  if (failures.length === 0 && result.passed.length === 0 && untested.length > 0) {
    const detail = `no property could be tested: ${[...new Set(untested)].join("; ")}`;
    throw new PropertyError({ code: "no_case", property: "checkMethod", detail });
  }
  if (failures.length === 0) return result;
  const [first, ...others] = failures;
  if (others.length === 0) throw first;
  const also = `Other properties failed too: ${others.map(({ property }) => property).join(", ")}`;
  throw new PropertyError(first, [...first.message.split("\n").slice(1), also], first);
}

/**
 * Returns the names of all methods, such as "LORA": built-in ones, then methods that `registerPeftMethod` added.
 *
 * @example
 * ```ts
 * for (const method of await methodNames()) test(method, () => checkMethod(method));
 * ```
 */
export async function methodNames(): Promise<string[]> {
  return Object.keys(await knownMethods());
}

async function resolved(
  subject: string | PeftConfig | ConfigDescription,
): Promise<{ method: AnyMethod; config?: PeftConfig }> {
  if (subject instanceof PeftConfig) return { method: await methodOf(subject), config: subject };
  const name = typeof subject === "string" ? subject : subject.method;
  const methods = await knownMethods();
  const method = methods[name];
  if (method) return typeof subject === "string" ? { method } : { method, config: configFrom(method, subject) };
  const known = Object.keys(methods).join(", ");
  throw new OptionError(
    "checkMethod",
    "method",
    name,
    (named) => `${named("method", name)} is not registered; choose ${known}`,
  );
}

function namesOf(chosen: readonly PropertyName[] | undefined, option = "properties"): readonly PropertyName[] {
  const all = Object.keys(properties) as PropertyName[];
  if (chosen?.length === 0 && option === "properties") {
    throw new OptionError("checkMethod", option, chosen, `is empty; choose ${all.join(", ")}`);
  }
  for (const name of chosen ?? []) {
    if (!all.includes(name)) {
      throw new OptionError("checkMethod", option, name, `contains ${name}; choose ${all.join(", ")}`);
    }
  }
  return chosen ?? all;
}

/** Returns the runner that draws cases if fast-check is installed, else the runner of the fixed cases. */
async function bestRunner(): Promise<typeof runFixedCases> {
  const isInstalled = await import("fast-check").then(
    () => true,
    () => false,
  );
  return isInstalled ? (await import("./drawnCases.ts")).runDrawnCases : runFixedCases;
}

/** Returns the property, which rejects drawn configurations that are exempt. */
function applying(name: PropertyName, method: AnyMethod, own: PeftConfig | undefined, found: Set<string>): Property {
  return async (model, config, options) => {
    const built = own ?? (config instanceof PeftConfig ? config : configFrom(method, config));
    const reason = exemptionOf(name, method, built);
    if (reason === null) return properties[name](model, built, options);
    found.add(reason);
    throw new UnfitError(reason);
  };
}

function errorOf(
  property: PropertyName,
  { failure, failed, lines }: CasesRun & { failed?: PropertyCase },
): PropertyError {
  return withLines(property, failure, failed ? [...lines, ...linesOf(property, failed)] : lines);
}

/** Beginning of the reason for methods without a merge. */
const noMerge = "the method has no merge";

/**
 * Returns the reason that no case of a property was tested. Throws if it is not an exemption and no model was given.
 */
function reasonOf(
  property: PropertyName,
  { unfit }: CasesRun,
  exemptions: ReadonlySet<string>,
  hasModel: boolean,
): string {
  const reason = [...exemptions][0] ?? unfit[0] ?? "no case was drawn";
  if (exemptions.size > 0 || hasModel || unfit.every((one) => one.startsWith(noMerge))) return reason;
  const detail = `no model and configuration fitted: ${unfit.join("; ")}`;
  throw new PropertyError({ code: "no_case", property, detail });
}
