import { parsePrimary, parseTuple } from "./expressions.ts";
import type { Expression, Target } from "./nodes.ts";
import { matches, type TokenStream } from "./tokenStream.ts";
import { syntaxError } from "./tokens.ts";

const reserved = ["true", "false", "none", "True", "False", "None"];

/** Parses the name of an assigned variable. */
export function parseName(stream: TokenStream): string {
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
export function parseTarget(stream: TokenStream, { withMembers = false }: TargetOptions = {}): Target {
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
