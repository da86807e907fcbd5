import { parseFilters } from "./calls.ts";
import { expressionParsers, parseExpression, parsePrimary, parseTuple } from "./expressions.ts";
import { syntaxError, tokenize } from "./lexer.ts";
import type { Expression, Parameters, Statement, Target } from "./nodes.ts";
import { matches, TokenStream } from "./tokenStream.ts";

/** Parses a template. Throws a `TemplateError` with code `TEMPLATE_SYNTAX` and the line for invalid syntax. */
export function parse(template: string): Statement[] {
  const parser = new Parser(new TokenStream(tokenize(template)));
  return parser.until([]);
}

type Body = { body: Statement[]; end: string };

class Parser {
  readonly #stream: TokenStream;

  constructor(stream: TokenStream) {
    this.#stream = stream;
  }

  /** Parses statements up to a tag whose name is one of `ends`. This name is then the stream's current token. */
  until(ends: readonly string[]): Statement[] {
    const stream = this.#stream;
    const body: Statement[] = [];
    let output: (string | Expression)[] = [];
    const flush = (): void => {
      if (output.length > 0) body.push({ type: "output", values: output });
      output = [];
    };
    while (!stream.is("eof")) {
      if (stream.is("data")) output.push(stream.next().value as string);
      else if (stream.skip("variable")) {
        output.push(parseTuple(stream));
        stream.expect("end");
      } else {
        flush();
        stream.expect("block");
        if (stream.isName(...ends)) return body;
        body.push(this.#statement(ends));
        stream.expect("end");
      }
    }
    flush();
    if (ends.length > 0)
      throw syntaxError(`Unexpected end of template, expected ${ends.join(" or ")}`, stream.current.line);
    return body;
  }

  /** Parses statements up to a tag whose name is one of `ends`. Returns the statements and this name. */
  #body(...ends: string[]): Body {
    const stream = this.#stream;
    stream.skip("operator", ":");
    stream.expect("end");
    const body = this.until(ends);
    return { body, end: stream.next().value as string };
  }

  #statement(ends: readonly string[]): Statement {
    const stream = this.#stream;
    const { value: tag, line } = stream.expect("name");
    const parse = Object.hasOwn(this.#tags, tag as string) ? this.#tags[tag as string] : undefined;
    if (parse) return parse();
    const wanted = ends.length > 0 ? `; ${ends.join(" or ")} was expected` : "";
    throw syntaxError(`Encountered unknown tag '${tag}'${wanted}`, line);
  }

  readonly #tags: Readonly<Record<string, () => Statement>> = {
    for: () => this.#for(),
    if: () => this.#if(),
    set: () => this.#set(),
    with: () => this.#with(),
    macro: () => ({
      type: "macro",
      name: parseName(this.#stream),
      ...this.#signature(),
      body: this.#body("endmacro").body,
    }),
    call: () => this.#call(),
    filter: () => {
      const filter = parseFilters(this.#stream, expressionParsers, undefined, true);
      return { type: "filterBlock", filter, body: this.#body("endfilter").body };
    },
    generation: () => ({ type: "generation", body: this.#body("endgeneration").body }),
    break: () => ({ type: "break" }),
    continue: () => ({ type: "continue" }),
    print: () => this.#print(),
    block: () => this.#block(),
    autoescape: () => ({
      type: "autoescape",
      value: parseExpression(this.#stream),
      body: this.#body("endautoescape").body,
    }),
    extends: () => this.#load("extends"),
    include: () => this.#load("include"),
    import: () => this.#load("import"),
    from: () => this.#load("from"),
  };

  #for(): Statement {
    const stream = this.#stream;
    const target = parseTarget(stream);
    stream.expect("name", "in");
    const over = parseTuple(stream, { withChoice: false });
    const test = stream.skip("name", "if") ? parseExpression(stream) : undefined;
    const recursive = stream.skip("name", "recursive");
    const { body, end } = this.#body("endfor", "else");
    const otherwise = end === "else" ? this.#body("endfor").body : [];
    return { type: "for", target, over, test, recursive, body, otherwise };
  }

  #if(): Statement {
    const branches: { test: Expression; body: Statement[] }[] = [];
    for (;;) {
      const test = parseTuple(this.#stream, { withChoice: false });
      const { body, end } = this.#body("elif", "else", "endif");
      branches.push({ test, body });
      if (end === "elif") continue;
      return { type: "if", branches, otherwise: end === "else" ? this.#body("endif").body : [] };
    }
  }

  #set(): Statement {
    const stream = this.#stream;
    const target = parseTarget(stream, { withMembers: true });
    if (stream.skip("operator", "=")) return { type: "set", target, value: parseTuple(stream) };
    const filter = stream.isOperator("|") ? parseFilters(stream, expressionParsers, undefined) : undefined;
    return { type: "setBlock", target, filter, body: this.#body("endset").body };
  }

  #with(): Statement {
    const stream = this.#stream;
    const [targets, values]: [ReturnType<typeof parseTarget>[], Expression[]] = [[], []];
    while (!stream.is("end")) {
      if (targets.length > 0) stream.expect("operator", ",");
      targets.push(parseTarget(stream));
      stream.expect("operator", "=");
      values.push(parseExpression(stream));
    }
    return { type: "with", targets, values, body: this.#body("endwith").body };
  }

  #call(): Statement {
    const stream = this.#stream;
    const { line } = stream.current;
    const signature = stream.isOperator("(") ? this.#signature() : { names: [], defaults: [] };
    const call = parseExpression(stream);
    if (call.type !== "call") throw syntaxError("expected call", line);
    return { type: "callBlock", call, ...signature, body: this.#body("endcall").body };
  }

  #signature(): Parameters {
    const stream = this.#stream;
    const [names, defaults]: [string[], Expression[]] = [[], []];
    stream.expect("operator", "(");
    while (!stream.isOperator(")")) {
      if (names.length > 0) stream.expect("operator", ",");
      const { line } = stream.current;
      const name = parseName(stream);
      if (names.includes(name)) throw syntaxError(`duplicate argument '${name}'`, line);
      names.push(name);
      if (stream.skip("operator", "=")) defaults.push(parseExpression(stream));
      else if (defaults.length > 0) throw syntaxError("non-default argument follows default argument", line);
    }
    stream.expect("operator", ")");
    return { names, defaults };
  }

  #print(): Statement {
    const values: Expression[] = [];
    while (!this.#stream.is("end")) {
      if (values.length > 0) this.#stream.expect("operator", ",");
      values.push(parseExpression(this.#stream));
    }
    return { type: "output", values };
  }

  #block(): Statement {
    const stream = this.#stream;
    const name = stream.expect("name").value as string;
    const isScoped = stream.skip("name", "scoped");
    stream.skip("name", "required");
    const { body } = this.#body("endblock");
    stream.skip("name", name);
    return { type: "block", name, isScoped, body };
  }

  /**
   * Parses a tag that loads another template, such as `include`. This is not supported, so the statement throws when it
   * runs.
   */
  #load(tag: string): Statement {
    while (!this.#stream.is("end") && !this.#stream.is("eof")) this.#stream.next();
    return { type: "load", tag };
  }
}

const reserved = ["true", "false", "none", "True", "False", "None"];

/** Parses the name of an assigned variable. */
function parseName(stream: TokenStream): string {
  const { value, line } = stream.expect("name");
  if (reserved.includes(value as string)) throw syntaxError(`can't assign to '${value}'`, line);
  return value as string;
}

/** Options of `parseTarget`. */
interface TargetOptions {
  /** True if attributes of namespaces are valid targets. Default false. */
  withMembers?: boolean;
}

/** Parses an assignment target: a name, a tuple of names, or an attribute of a namespace. */
function parseTarget(stream: TokenStream, { withMembers = false }: TargetOptions = {}): Target {
  const { line } = stream.current;
  const members = new Map<Expression, Target>();
  const item = (): Expression => {
    const isMember = withMembers && stream.is("name") && matches(stream.following, "operator", ".");
    if (!isMember || reserved.includes(stream.current.value as string)) return parsePrimary(stream);
    const name = stream.next().value as string;
    stream.next();
    const node: Expression = { type: "name", name };
    members.set(node, { type: "member", name, attribute: stream.expect("name").value as string });
    return node;
  };
  return asTarget(parseTuple(stream, { item }), members, line);
}

function asTarget(node: Expression, members: ReadonlyMap<Expression, Target>, line: number): Target {
  const member = members.get(node);
  if (member) return member;
  if (node.type === "name") return { type: "name", name: node.name };
  if (node.type === "tuple") return { type: "tuple", items: node.items.map((one) => asTarget(one, members, line)) };
  throw syntaxError(`can't assign to '${node.type}'`, line);
}
