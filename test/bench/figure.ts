/** Prints one measured figure as a JSON line: its distribution, the limit measured in the same run, and their ratio. */
export function printFigure(
  figure: string,
  unit: string,
  values: readonly number[],
  rest: { readonly limit?: readonly number[]; readonly target?: string; readonly [key: string]: unknown } = {},
): void {
  const { limit, ...others } = rest;
  const measured = distribution(values);
  const bare = limit && distribution(limit);
  const ratio = bare && { ratio: round(measured.p50 / bare.p50) };
  console.log(JSON.stringify({ figure, unit, ...measured, ...(bare && { limit: bare }), ...ratio, ...others }));
}

/** Median, 95th and 99th percentile and maximum of some values. */
export function distribution(values: readonly number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0);
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

const round = (value: number) => Math.round(value * 1000) / 1000;
