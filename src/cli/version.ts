import { readFileSync } from 'node:fs';

// dist/src/cli and src/cli are not equally deep below package.json.
function findPackage(): { readonly version: string } {
  for (let directory = new URL('.', import.meta.url); ; directory = new URL('..', directory)) {
    try {
      return JSON.parse(readFileSync(new URL('package.json', directory), 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || directory.pathname === '/') throw error;
    }
  }
}

/** The version of this program. */
export const { version } = findPackage();
