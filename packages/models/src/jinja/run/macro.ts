import type { Expression, Parameters, Statement } from "../syntax/nodes.ts";
import { takenNames } from "../syntax/specialNames.ts";
import { typeError } from "../values/templateError.ts";
import { type Arguments, Dict, RuntimeObject, Tuple, Undefined, type Value, valueOr } from "../values/types.ts";
import { evaluate } from "./expressions.ts";
import { Scope } from "./scope.ts";

/** A macro, or the body of a call block, together with the scope in which it was defined. */
export interface MacroSource extends Parameters {
  /** Name; null for the body of a call block. */
  name: string | null;
  body: readonly Statement[];
  scope: Scope;
  /** Runs the body and returns its text. */
  run(body: readonly Statement[], scope: Scope): string;
}

/** Returns the function that templates call for a macro. */
export function makeMacro(source: MacroSource): RuntimeObject {
  const { name, names } = source;
  const taken = takenNames(source.body);
  const used = taken.filter((special) => !names.includes(special));
  const attributes: Readonly<Record<string, Value>> = {
    name,
    arguments: new Tuple(names),
    caller: taken.includes("caller"),
    catch_kwargs: used.includes("kwargs"),
    catch_varargs: used.includes("varargs"),
    explicit_caller: names.includes("caller"),
  };
  return new RuntimeObject("Macro", {
    call: (args) => callMacro(source, used, args),
    repr: () => `<Macro ${name === null ? "anonymous" : `'${name}'`}>`,
    get: (key) => (Object.hasOwn(attributes, key) ? attributes[key] : undefined),
  });
}

function callMacro(source: MacroSource, used: readonly string[], { positional, named }: Arguments): Value {
  const { names, defaults } = source;
  const label = `macro '${source.name ?? "caller"}'`;
  const scope = new Scope(source.scope);
  const extra = new Map(named);
  const given = names.map((name, i) => {
    if (i < positional.length) return positional[i];
    const value = extra.get(name);
    extra.delete(name);
    return value;
  });
  if (used.includes("caller")) {
    scope.set(
      "caller",
      valueOr(extra.get("caller"), () => new Undefined("No caller defined")),
    );
    extra.delete("caller");
  }
  if (used.includes("kwargs")) scope.set("kwargs", new Dict(extra));
  else for (const name of extra.keys()) throw typeError(`${label} takes no keyword argument '${name}'`);
  if (used.includes("varargs")) scope.set("varargs", new Tuple(positional.slice(names.length)));
  else if (positional.length > names.length)
    throw typeError(`${label} takes not more than ${names.length} argument(s)`);
  names.forEach((name, i) => {
    const fallback = defaults[i - names.length + defaults.length] as Expression | undefined;
    const absent = (): Value => new Undefined(`parameter '${name}' was not provided`);
    scope.set(
      name,
      valueOr(given[i], () => (fallback ? evaluate(fallback, scope) : absent())),
    );
  });
  return source.run(source.body, scope);
}
