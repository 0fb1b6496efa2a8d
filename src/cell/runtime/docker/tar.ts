/** A file to be put into a container. */
export interface ContainerFile {
  readonly path: string;
  readonly content: string | Buffer;
  readonly mode: number;
}

const blockBytes = 512;

/** A tar archive (ustar) of a few files that all belong to one user: what the engine takes files in. */
export function tarOf(files: readonly ContainerFile[], owner: { readonly uid: number; readonly gid: number }): Buffer {
  const blocks = files.flatMap((file) => {
    const content = Buffer.from(file.content);
    const padding = Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes);
    return [header(file, content.length, owner), content, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
}

function header({ path, mode }: ContainerFile, size: number, { uid, gid }: { uid: number; gid: number }): Buffer {
  const block = Buffer.alloc(blockBytes);
  const name = path.replace(/^\/+/, '');
  if (Buffer.byteLength(name) > 99) throw new Error(`path too long for a tar archive: ${path}`);
  const octal = (value: number, at: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, '0'), at, 'ascii');
  block.write(name, 0);
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('0', 156);
  block.write('ustar\u000000', 257);
  // The checksum is of the header with its own place filled with spaces.
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return block;
}
