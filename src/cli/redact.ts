const secret = /password|credential|secret|token/i;

/** A copy without anything that looks like a secret: values under such names, and passwords within URLs. */
export function redact(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value);
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      // The name of the key where credentials are kept is no secret.
      const isKept = typeof each === 'string' && each.startsWith('/');
      return [name, secret.test(name) && !isKept ? '(removed)' : redact(each)];
    }),
  );
}

/** The text of a document or an error, without passwords within URLs and assignments. */
export const redactText = (text: string): string =>
  text
    .replaceAll(/(\w+:\/\/[^:/\s]+):[^@\s]+@/g, '$1:(removed)@')
    .replaceAll(/(passw(?:or)?d\s*[=:]\s*)\S+/gi, '$1(removed)');
