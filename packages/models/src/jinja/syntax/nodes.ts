import type { Operator } from "../operators/arithmetic.ts";
import type { Value } from "../values/types.ts";

/** Arguments of a call in a template. */
export interface CallParts {
  args: Expression[];
  named: [name: string, value: Expression][];
  /** The expression after `*` in a call, as in `f(*args)`. */
  rest?: Expression;
  /** The expression after `**` in a call, as in `f(**kwargs)`. */
  restNamed?: Expression;
}

/** A filter or test that is applied to a value, with its arguments. */
export interface Applied extends CallParts {
  name: string;
}

/** Operators of a comparison. */
export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

/** An expression. */
export type Expression =
  | { type: "literal"; value: Value }
  | { type: "name"; name: string }
  | { type: "list" | "tuple" | "concat"; items: Expression[] }
  | { type: "dict"; entries: [key: Expression, value: Expression][] }
  | { type: "binary"; operator: Operator; left: Expression; right: Expression }
  | { type: "unary"; operator: "-" | "+"; value: Expression }
  | { type: "and" | "or"; left: Expression; right: Expression }
  | { type: "not"; value: Expression }
  | { type: "compare"; first: Expression; rest: [operator: Comparison, value: Expression][] }
  | { type: "choice"; test: Expression; yes: Expression; no?: Expression; line: number }
  | { type: "attribute"; value: Expression; name: string }
  | { type: "item"; value: Expression; key: Expression }
  | { type: "slice"; value: Expression; bounds: [Expression?, Expression?, Expression?] }
  | ({ type: "call"; callee: Expression } & CallParts)
  | ({ type: "filter"; value?: Expression } & Applied)
  | ({ type: "test"; value: Expression } & Applied);

/** An assignment target of `set`, `for` or `with`. */
export type Target =
  | { type: "name"; name: string }
  | { type: "member"; name: string; attribute: string }
  | { type: "tuple"; items: Target[] };

/**
 * Parameters of a macro or a call block. `defaults` are the defaults of the last `defaults.length` parameters; the
 * others are required.
 */
export interface Parameters {
  names: string[];
  defaults: Expression[];
}

/** A statement. */
export type Statement =
  | { type: "output"; values: (string | Expression)[] }
  | { type: "if"; branches: { test: Expression; body: Statement[] }[]; otherwise: Statement[] }
  | {
      type: "for";
      target: Target;
      over: Expression;
      test?: Expression;
      recursive: boolean;
      body: Statement[];
      otherwise: Statement[];
    }
  | { type: "set"; target: Target; value: Expression }
  | { type: "setBlock"; target: Target; filter?: Expression; body: Statement[] }
  | { type: "with"; targets: Target[]; values: Expression[]; body: Statement[] }
  | ({ type: "macro"; name: string; body: Statement[] } & Parameters)
  | ({ type: "callBlock"; call: Expression & { type: "call" }; body: Statement[] } & Parameters)
  | { type: "filterBlock"; filter: Expression; body: Statement[] }
  | { type: "generation"; body: Statement[] }
  | { type: "block"; name: string; isScoped: boolean; body: Statement[] }
  | { type: "autoescape"; value: Expression; body: Statement[] }
  | { type: "load"; tag: string }
  | { type: "break" }
  | { type: "continue" };
