import type { Slots } from "../intent.ts";
import type { Language } from "./language.ts";

const isName = (value: string): boolean => /^[a-z]/.test(value);
const parameter = (value: string): string => (isName(value) ? `:${value}` : value);
const text = (quoted: string): string => `'${quoted.slice(1, -1)}'`;
const bare = (quoted: string): string => quoted.slice(1, -1);

/**
 * Converts a request's arguments to SQL: variables become bound parameters, and strings get single quotes. A list is a
 * table with a column `value`.
 */
function sqlSlots(slots: Slots): Slots {
  return {
    ...slots,
    a: parameter(slots.a),
    b: parameter(slots.b),
    x: parameter(slots.x),
    s: parameter(slots.s),
    w: text(slots.w),
    v: text(slots.v),
  };
}

/** SQL in SQLite's dialect. The table `numbers` has the values 0, 1, 2 ... in its column `n`. */
export const sql: Language = {
  slots: sqlSlots,
  expressions: {
    add: ({ a, b }) => `${a} + ${b}`,
    subtract: ({ a, b }) => `${a} - ${b}`,
    multiply: ({ a, b }) => `${a} * ${b}`,
    divide: ({ a, b }) => `${a} / ${b}`,
    remainder: ({ a, b }) => `${a} % ${b}`,
    power: ({ a, b }) => `POWER(${a}, ${b})`,
    larger: ({ a, b }) => `MAX(${a}, ${b})`,
    smaller: ({ a, b }) => `MIN(${a}, ${b})`,
    absolute: ({ x }) => `ABS(${x})`,
    listSum: ({ l }) => `SUM(value) FROM ${l}`,
    listLargest: ({ l }) => `MAX(value) FROM ${l}`,
    listSmallest: ({ l }) => `MIN(value) FROM ${l}`,
    listCount: ({ l }) => `COUNT(*) FROM ${l}`,
    listFirst: ({ l }) => `value FROM ${l} ORDER BY id LIMIT 1`,
    listLast: ({ l }) => `value FROM ${l} ORDER BY id DESC LIMIT 1`,
    upper: ({ s }) => `UPPER(${s})`,
    lower: ({ s }) => `LOWER(${s})`,
    stringLength: ({ s }) => `LENGTH(${s})`,
    firstLetter: ({ s }) => `SUBSTR(${s}, 1, 1)`,
    concat: ({ s, w }) => `${s} || ${w}`,
    replace: ({ s, w, v }) => `REPLACE(${s}, ${w}, ${v})`,
  },
  conditions: {
    greater: ({ x, b }) => `${x} > ${b}`,
    less: ({ x, b }) => `${x} < ${b}`,
    atLeast: ({ x, b }) => `${x} >= ${b}`,
    atMost: ({ x, b }) => `${x} <= ${b}`,
    equal: ({ x, b }) => `${x} = ${b}`,
    notEqual: ({ x, b }) => `${x} <> ${b}`,
    even: ({ x }) => `${x} % 2 = 0`,
    odd: ({ x }) => `${x} % 2 = 1`,
    divisible: ({ x, d }) => `${x} % ${d} = 0`,
    contains: ({ s, w }) => `${s} LIKE '%${bare(w)}%'`,
    startsWith: ({ s, w }) => `${s} LIKE '${bare(w)}%'`,
    endsWith: ({ s, w }) => `${s} LIKE '%${bare(w)}'`,
  },
  expressionStatements: {
    print: (value) => `SELECT ${value};`,
    // The alias must follow the value, before the FROM clause.
    store: (value, { t }) => {
      const from = value.indexOf(" FROM ");
      return from < 0 ? `SELECT ${value} AS ${t};` : `SELECT ${value.slice(0, from)} AS ${t}${value.slice(from)};`;
    },
  },
  conditionStatements: {
    check: (condition) => `SELECT ${condition};`,
    when: (condition, { w }) => `SELECT ${w} WHERE ${condition};`,
    choose: (condition, { w, v }) => `SELECT CASE WHEN ${condition} THEN ${w} ELSE ${v} END;`,
  },
  element: "value",
  filter: (condition, { l }) => `SELECT value FROM ${l} WHERE ${condition};`,
  statements: {
    forEach: ({ l }) => `SELECT value FROM ${l};`,
    countUp: ({ i, j }) => `SELECT n FROM numbers WHERE n BETWEEN ${i} AND ${j};`,
    repeat: ({ w, k }) => `SELECT ${w} FROM numbers WHERE n < ${k};`,
    mapAdd: ({ l, n }) => `SELECT value + ${n} FROM ${l};`,
    mapMultiply: ({ l, n }) => `SELECT value * ${n} FROM ${l};`,
    append: ({ l, n }) => `INSERT INTO ${l} (value) VALUES (${n});`,
    sort: ({ l }) => `SELECT value FROM ${l} ORDER BY value;`,
    clear: ({ l }) => `DELETE FROM ${l};`,
    increase: ({ x, n }) => `SELECT ${x} + ${n} AS ${x.slice(1)};`,
    decrease: ({ x, n }) => `SELECT ${x} - ${n} AS ${x.slice(1)};`,
    printWord: ({ w }) => `SELECT ${w};`,
    storeWord: ({ t, w }) => `SELECT ${w} AS ${t};`,
    storeNumber: ({ t, n }) => `SELECT ${n} AS ${t};`,
  },
};
