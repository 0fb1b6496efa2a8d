/** Huffman codes (RFC 7541, appendix B) of the few letters that are of interest here. */
const codes: Readonly<Record<string, string>> = {
  h: '100111',
  t: '01001',
  p: '101011',
  s: '01000',
  ':': '1011100',
  '/': '011000',
  '.': '010111',
};
const schemes = ['http://', 'https://'];
/** The index of `:authority` in every table of header fields. */
const authorityIndex = 1;

/**
 * Takes the slashes out of an `:authority` of the form `http://host:port`, in place. Go's clients send one when they are
 * given an address with its scheme, Go's servers take no notice, and nghttp2 refuses the call. What comes in their
 * place is as long, so that both ends go on to agree about the table of header fields.
 */
export function mendAuthority(headerBlock: Buffer): void {
  const value = authorityIn(headerBlock);
  if (!value) return;
  for (const scheme of schemes) {
    const dotted = scheme.replace('//', '..');
    if (value.isHuffman) replaceBits(value.bytes, bitsOf(scheme), bitsOf(dotted));
    else if (value.bytes.subarray(0, scheme.length).equals(Buffer.from(scheme))) value.bytes.write(dotted);
  }
}

/** Where the value stands, if the block spells it out and is well formed up to there. */
function authorityIn(block: Buffer): { readonly bytes: Buffer; readonly isHuffman: boolean } | undefined {
  let at = 0;
  const integer = (prefixBits: number): number => {
    const most = 2 ** prefixBits - 1;
    let value = (block[at++] ?? 0) & most;
    if (value < most) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = block[at++] ?? 0;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  const string = () => {
    const isHuffman = ((block[at] ?? 0) & 0x80) !== 0;
    const length = integer(7);
    const bytes = block.subarray(at, at + length);
    at += length;
    return { bytes, isHuffman };
  };
  while (at < block.length) {
    const first = block[at] as number;
    if (first >= 0x80) integer(7);
    else if (first >= 0x20 && first < 0x40) integer(5);
    else {
      const name = integer(first >= 0x40 ? 6 : 4);
      if (name === 0) string();
      const value = string();
      if (name === authorityIndex) return at <= block.length ? value : undefined;
    }
  }
  return undefined;
}

const bitsOf = (text: string): string => [...text].map((letter) => codes[letter]).join('');

/** Replaces what bytes begin with by as many other bits. */
function replaceBits(bytes: Buffer, from: string, to: string): void {
  const concerned = bytes.subarray(0, Math.ceil(from.length / 8));
  const bits = [...concerned].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  if (!bits.startsWith(from)) return;
  const replaced = to + bits.slice(to.length);
  for (let i = 0; i < concerned.length; i++) concerned[i] = Number.parseInt(replaced.slice(8 * i, 8 * i + 8), 2);
}
