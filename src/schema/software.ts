import { bad, good, type Parsed } from './parsed.ts';

// Older ones do not know the parameters that every instance gets.
const leastVersion = 13;

/** Reads a major version of PostgreSQL, `15` or `"15"`. */
export function parseVersion(written: string | number): Parsed<string> {
  const text = String(written);
  if (/^\d{2}$/.test(text) && Number(text) >= leastVersion) return good(text);
  return bad(
    `a major version of PostgreSQL from ${leastVersion} on is expected, for example 15; minor versions come with the packages of a cell, or with an image`,
  );
}

const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const reference = new RegExp(
  `^(?:[A-Za-z0-9.-]+(?::\\d{1,5})?/)?${component}(?:/${component})*(?::\\w[\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`,
);

/** Reads the reference of a container image, best by digest: `registry.example.com/patroni:15@sha256:…`. */
export function parseImage(text: string): Parsed<string> {
  if (text.length <= 400 && reference.test(text)) return good(text);
  return bad('the reference of a container image is expected, for example registry.example.com/patroni@sha256:…');
}
