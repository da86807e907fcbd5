import type { FilterEnvironment } from "../filters/environment.ts";
import { filters } from "../filters/filters.ts";
import { tests } from "../filters/tests.ts";
import { readAttribute } from "../methods/readAttribute.ts";
import { call, getAttribute, getItem, slice } from "../operators/access.ts";
import { compute, signed } from "../operators/arithmetic.ts";
import { contains, isEqual, isOrdered, textOf } from "../operators/compare.ts";
import { isTrue, iterate, refuseUndefined } from "../operators/iterate.ts";
import { bind } from "../operators/signature.ts";
import type { CallParts, Comparison, Expression } from "../syntax/nodes.ts";
import { str } from "../text/repr.ts";
import { spend, spendText } from "../values/limits.ts";
import { TemplateError, typeError } from "../values/templateError.ts";
import { type Arguments, Dict, Tuple, Undefined, type Value, valueOr } from "../values/types.ts";
import { globals } from "./globals.ts";
import type { Scope } from "./scope.ts";

const environment: FilterEnvironment = { callFilter, callTest };

/** Applies a filter. */
export function callFilter(name: string, value: Value, args: Arguments): Value {
  spend();
  if (!Object.hasOwn(filters, name)) throw new TemplateError("TEMPLATE_SYNTAX", `No filter named '${name}' found.`);
  const filter = filters[name];
  if (typeof filter === "function") return filter(value, args, environment);
  return filter[1](value, ...bind(name, filter[0], args));
}

/** Applies a test. */
function callTest(name: string, value: Value, args: Arguments): boolean {
  spend();
  if (!Object.hasOwn(tests, name)) throw new TemplateError("TEMPLATE_SYNTAX", `No test named '${name}' found.`);
  const [signature, run] = tests[name];
  return run(value, ...bind(name, signature, args));
}

/** Evaluates an expression with the variables of a scope. */
export function evaluate(node: Expression, scope: Scope): Value {
  spend();
  const value = result(node, scope);
  if (typeof value === "string") spendText(value.length);
  return value;
}

function result(node: Expression, scope: Scope): Value {
  switch (node.type) {
    case "literal":
      return node.value;
    case "name":
      return variable(node.name, scope);
    case "list":
      return node.items.map((item) => evaluate(item, scope));
    case "tuple":
      return new Tuple(node.items.map((item) => evaluate(item, scope)));
    case "dict":
      return new Dict(node.entries.map(([key, value]) => [evaluate(key, scope), evaluate(value, scope)]));
    case "concat":
      return node.items.map((item) => str(evaluate(item, scope))).join("");
    case "binary":
      return compute(node.operator, evaluate(node.left, scope), evaluate(node.right, scope));
    case "unary":
      return signed(node.operator, evaluate(node.value, scope));
    case "not":
      return !isTrue(evaluate(node.value, scope));
    case "and":
    case "or":
      return either(node, scope);
    case "compare":
      return compare(node.first, node.rest, scope);
    case "choice":
      return choose(node, scope);
    case "attribute":
      return getAttribute(evaluate(node.value, scope), node.name, readAttribute);
    case "item":
      return getItem(evaluate(node.value, scope), evaluate(node.key, scope), readAttribute);
    case "slice": {
      const value = evaluate(node.value, scope);
      const [start, stop, step] = [0, 1, 2].map((i) => (node.bounds[i] ? evaluate(node.bounds[i], scope) : null));
      return slice(value, [start, stop, step]);
    }
    case "call":
      return call(evaluate(node.callee, scope), argumentsOf(node, scope));
    case "filter":
      return callFilter(node.name, evaluate(node.value!, scope), argumentsOf(node, scope));
    case "test":
      return callTest(node.name, evaluate(node.value, scope), argumentsOf(node, scope));
  }
}

function variable(name: string, scope: Scope): Value {
  const known = (): Value => (Object.hasOwn(globals, name) ? globals[name] : new Undefined(`'${name}' is undefined`));
  return valueOr(scope.get(name), known);
}

function either(node: Expression & { type: "and" | "or" }, scope: Scope): Value {
  const left = evaluate(node.left, scope);
  return isTrue(left) === (node.type === "or") ? left : evaluate(node.right, scope);
}

function choose({ test, yes, no, line }: Expression & { type: "choice" }, scope: Scope): Value {
  if (isTrue(evaluate(test, scope))) return evaluate(yes, scope);
  if (no) return evaluate(no, scope);
  return new Undefined(`the inline if-expression on line ${line} evaluated to false and no else section was defined.`);
}

function compare(first: Expression, rest: readonly [Comparison, Expression][], scope: Scope): boolean {
  let left = evaluate(first, scope);
  for (const [operator, expression] of rest) {
    const right = evaluate(expression, scope);
    if (!compares(left, operator, right)) return false;
    left = right;
  }
  return true;
}

function compares(left: Value, operator: Comparison, right: Value): boolean {
  if (operator === "==") return isEqual(left, right);
  if (operator === "!=") return !isEqual(left, right);
  if (operator === "in") return contains(right, left);
  return operator === "not in" ? !contains(right, left) : isOrdered(left, operator, right);
}

/** Evaluates the arguments of a call, including `*args` and `**kwargs`. */
export function argumentsOf({ args, named, rest, restNamed }: CallParts, scope: Scope): Arguments {
  const positional = args.map((arg) => evaluate(arg, scope));
  const byName = new Map(named.map(([name, value]) => [name, evaluate(value, scope)] as const));
  if (rest) positional.push(...iterate(evaluate(rest, scope)));
  if (restNamed) {
    const more = evaluate(restNamed, scope);
    refuseUndefined(more);
    if (!(more instanceof Dict)) throw typeError("argument after ** must be a mapping");
    for (const [key, value] of more.entries()) {
      const name = textOf(key);
      if (name === undefined) throw typeError("keywords must be strings");
      if (byName.has(name)) throw typeError(`got multiple values for keyword argument '${name}'`);
      byName.set(name, value);
    }
  }
  return { positional, named: byName };
}
