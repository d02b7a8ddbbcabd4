import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A change to one file of the project. */
export interface Edit {
  file: string;
  /** Occurs once in the file. */
  find: string;
  replace: string;
}

/** Makes these edits, one after the other. Where one has nothing or more than one place to go, the table speaks of code that is gone. */
export async function plant(folder: string, edits: readonly Edit[]): Promise<void> {
  for (const { file, find, replace } of edits) {
    const name = path.join(folder, file);
    const parts = (await readFile(name, 'utf8')).split(find);
    if (parts.length !== 2) {
      throw new Error(`${file} holds ${JSON.stringify(find)} ${parts.length - 1} times, where once is meant`);
    }
    await writeFile(name, parts.join(replace));
  }
}
