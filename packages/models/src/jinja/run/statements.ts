import { call } from "../operators/access.ts";
import { isTrue, iterate, listOf } from "../operators/iterate.ts";
import type { Expression, Statement, Target } from "../syntax/nodes.ts";
import { escapeHtml, str } from "../text/repr.ts";
import { checkLength, spend } from "../values/limits.ts";
import { TemplateError, valueError } from "../values/templateError.ts";
import { type Arguments, RuntimeObject, Stream, type Value } from "../values/types.ts";
import { argumentsOf, callFilter, evaluate } from "./expressions.ts";
import { Loop } from "./loop.ts";
import { makeMacro } from "./macro.ts";
import { Scope } from "./scope.ts";

/** Collects the text that a template writes. */
class Output {
  #text = "";

  write(text: string): void {
    if (text === "") return;
    this.#text += text;
    checkLength(this.#text.length);
  }

  get length(): number {
    return this.#text.length;
  }

  toString(): string {
    return this.#text;
  }
}

/** The end of a loop body: by `break`, by `continue`, or normally (undefined). */
type Ending = "break" | "continue" | undefined;

type ForStatement = Statement & { type: "for" };

/** A range [start, end) of the rendered text. */
export type Span = readonly [start: number, end: number];

/** Runs the statements of a template. */
export class Runner {
  readonly output: Output = new Output();
  /** The ranges of the rendered text that were written inside `generation` tags. */
  readonly spans: Span[] = [];
  readonly #root: Scope;
  #escapes = false;

  constructor(root: Scope) {
    this.#root = root;
  }

  run(body: readonly Statement[], scope: Scope, output: Output): Ending {
    for (const statement of body) {
      spend();
      const ending = this.#statement(statement, scope, output);
      if (ending) return ending;
    }
    return undefined;
  }

  #statement(node: Statement, scope: Scope, output: Output): Ending {
    switch (node.type) {
      case "output":
        for (const value of node.values)
          output.write(typeof value === "string" ? value : this.#text(evaluate(value, scope)));
        return undefined;
      case "if": {
        const branch = node.branches.find(({ test }) => isTrue(evaluate(test, scope)));
        return this.run(branch ? branch.body : node.otherwise, scope, output);
      }
      case "for":
        return this.#for(node, scope, output);
      case "set":
        this.#checkMembers(node.target, scope);
        this.#assign(node.target, evaluate(node.value, scope), scope);
        return undefined;
      case "setBlock":
        return this.#setBlock(node, scope);
      case "with": {
        const inner = new Scope(scope);
        node.targets.forEach((target, i) => {
          this.#assign(target, evaluate(node.values[i], scope), inner);
        });
        return this.run(node.body, inner, output);
      }
      case "macro":
        scope.set(node.name, makeMacro({ ...node, scope, run: (body, inner) => this.#capture(body, inner) }));
        return undefined;
      case "callBlock":
        output.write(this.#text(this.#callBlock(node, scope)));
        return undefined;
      case "filterBlock": {
        const [text, ending] = this.#captureTo(node.body, new Scope(scope));
        if (!ending) output.write(this.#text(this.#filtered(node.filter, text, scope)));
        return ending;
      }
      case "generation":
        return this.#generation(node.body, scope, output);
      case "block":
        this.run(node.body, new Scope(node.isScoped ? scope : this.#root), output);
        return undefined;
      case "autoescape":
        return this.#autoescape(node, scope, output);
      case "load":
        throw new TemplateError(
          "TEMPLATE_UNSUPPORTED",
          `the tag '${node.tag}' needs another template, and there is none`,
        );
      default:
        return node.type;
    }
  }

  #text(value: Value): string {
    return this.#escapes ? escapeHtml(value).text : str(value);
  }

  #capture(body: readonly Statement[], scope: Scope): string {
    return this.#captureTo(body, scope)[0];
  }

  #captureTo(body: readonly Statement[], scope: Scope): [text: string, ending: Ending] {
    const output = new Output();
    const ending = this.run(body, scope, output);
    return [output.toString(), ending];
  }

  #for(node: ForStatement, scope: Scope, output: Output): Ending {
    const loop = (over: Value, depth: number, to: Output): Ending => {
      const elements = this.#elements(node, over, scope);
      const recurse = node.recursive
        ? (inner: Value, level: number): Value => {
            const text = new Output();
            loop(inner, level, text);
            return text.toString();
          }
        : undefined;
      const state = new Loop(node.test ? new Stream("filtered", elements) : over, elements, depth, recurse);
      let hasRun = false;
      for (let value = state.next(); value !== undefined; value = state.next()) {
        spend();
        const inner = new Scope(scope);
        inner.set("loop", state.variable);
        this.#assign(node.target, value, inner);
        const ending = this.run(node.body, inner, to);
        // As in Jinja, the else branch runs unless an iteration reached its end.
        hasRun ||= ending === undefined;
        if (ending === "break") break;
      }
      return hasRun ? undefined : this.run(node.otherwise, new Scope(scope), to);
    };
    return loop(evaluate(node.over, scope), 0, output);
  }

  *#elements({ test, target }: ForStatement, over: Value, scope: Scope): Generator<Value> {
    for (const value of iterate(over)) {
      if (test) {
        const inner = new Scope(scope);
        this.#assign(target, value, inner);
        if (!isTrue(evaluate(test, inner))) continue;
      }
      yield value;
    }
  }

  #checkMembers(target: Target, scope: Scope): void {
    if (target.type === "tuple") for (const item of target.items) this.#checkMembers(item, scope);
    if (target.type === "member") namespaceOf(target.name, scope);
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.type === "name") scope.set(target.name, value);
    else if (target.type === "member") namespaceOf(target.name, scope)(target.attribute, value);
    else {
      const values = listOf(value);
      const count = target.items.length;
      if (values.length !== count) {
        throw valueError(`${values.length > count ? "too many" : "not enough"} values to unpack (expected ${count})`);
      }
      target.items.forEach((item, i) => {
        this.#assign(item, values[i], scope);
      });
    }
  }

  #setBlock({ target, filter, body }: Statement & { type: "setBlock" }, scope: Scope): Ending {
    this.#checkMembers(target, scope);
    const [text, ending] = this.#captureTo(body, new Scope(scope));
    if (!ending) this.#assign(target, filter ? this.#filtered(filter, text, scope) : text, scope);
    return ending;
  }

  /** Applies the filters of a filter block to the text of its body. */
  #filtered(filter: Expression, text: Value, scope: Scope): Value {
    if (filter.type !== "filter") return text;
    const value = filter.value ? this.#filtered(filter.value, text, scope) : text;
    return callFilter(filter.name, value, argumentsOf(filter, scope));
  }

  #callBlock(node: Statement & { type: "callBlock" }, scope: Scope): Value {
    const caller = makeMacro({ ...node, name: null, scope, run: (body, inner) => this.#capture(body, inner) });
    const callee = evaluate(node.call.callee, scope);
    const { positional, named } = argumentsOf(node.call, scope);
    const args: Arguments = { positional, named: new Map([...named, ["caller", caller]]) };
    return call(callee, args);
  }

  #generation(body: readonly Statement[], scope: Scope, output: Output): Ending {
    const text = this.#capture(body, new Scope(scope));
    this.spans.push([this.output.length, this.output.length + text.length]);
    output.write(text);
    return undefined;
  }

  #autoescape({ value, body }: Statement & { type: "autoescape" }, scope: Scope, output: Output): Ending {
    const before = this.#escapes;
    this.#escapes = isTrue(evaluate(value, scope));
    try {
      return this.run(body, new Scope(scope), output);
    } finally {
      this.#escapes = before;
    }
  }
}

/** Returns the function that sets an attribute of a namespace. Throws if the variable is not a namespace. */
function namespaceOf(name: string, scope: Scope): (attribute: string, value: Value) => void {
  const value = scope.get(name);
  if (value instanceof RuntimeObject && value.can.set) return value.can.set;
  throw new TemplateError("TEMPLATE_TYPE", `cannot assign attribute on non-namespace object '${name}'`);
}
