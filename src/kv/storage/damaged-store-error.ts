/** A file is not what a server left behind. */
export class DamagedStoreError extends Error {
  readonly code = 'damaged-store';

  constructor(path: string, why: string) {
    super(`${path} is damaged: ${why}`);
    this.name = 'DamagedStoreError';
  }
}
