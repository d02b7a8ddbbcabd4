/**
 * All that a PostgreSQL in WebAssembly knows lies in one piece of memory and in files of this process. Both are kept once
 * and put back before each seed: tables, sequences, transaction ids and plans are then the same to the byte, whatever was
 * played before, and in 5 ms.
 */

/** The parts of an Emscripten module that this needs: its memory, and its file system in memory (MEMFS). */
export interface WasmModule {
  HEAPU8: Uint8Array;
  FS: {
    streams: (Stream | null)[];
    lookupPath(path: string): { node: Folder };
    getPath(node: Node): string;
    unlink(path: string): void;
    hashAddNode(node: Node): void;
  };
}

interface Stream {
  position: number;
}

interface Node {
  name: string;
}

interface File extends Node {
  /** With room behind the bytes in use. */
  contents: Uint8Array;
  usedBytes: number;
  node_ops: { setattr: (file: File, change: { size?: number }) => void };
  stream_ops: { write: (stream: { node: File }, ...rest: [Uint8Array, number, number, number]) => number };
}

interface Folder extends Node {
  contents: Record<string, Node>;
  node_ops: {
    mknod: (folder: Folder, ...rest: unknown[]) => Node;
    unlink: (folder: Folder, name: string) => void;
    rename: () => never;
  };
}

/** What lies above the last byte in use comes from malloc one day, whose callers expect nothing of it. */
const MARGIN = 2 ** 22;

export class Snapshot {
  readonly #module: WasmModule;
  #memory = new Uint8Array();
  #streams: { stream: Stream | null; position: number }[] = [];
  /** What takes back each change of a file since, the newest last. */
  #undo: (() => void)[] = [];

  /** `path`: of any file; all share their operations, and so do all folders. */
  constructor(module: WasmModule, path: string) {
    this.#module = module;
    const { node: folder } = module.FS.lookupPath(path.slice(0, path.lastIndexOf('/')));
    this.#watchFolders(folder.node_ops);
    const file = module.FS.lookupPath(path).node as unknown as File;
    this.#watchFiles(file);
    this.take();
  }

  /** From now on `restore` leads back to this moment. No call into the module may be under way. */
  take(): void {
    const { HEAPU8, FS } = this.#module;
    this.#memory = HEAPU8.slice(0, usedBytes(HEAPU8) + MARGIN);
    this.#streams = FS.streams.map((stream) => ({ stream, position: stream?.position ?? 0 }));
    this.#undo = [];
  }

  restore(): void {
    const { HEAPU8, FS } = this.#module;
    HEAPU8.set(this.#memory);
    FS.streams.splice(0, FS.streams.length, ...this.#streams.map(({ stream }) => stream));
    for (const { stream, position } of this.#streams) if (stream) stream.position = position;
    for (const undo of this.#undo.splice(0).reverse()) undo();
    this.#undo = [];
  }

  #watchFiles({ node_ops, stream_ops }: File): void {
    const { write } = stream_ops;
    stream_ops.write = (stream, buffer, offset, length, position) => {
      const file = stream.node;
      const { usedBytes } = file;
      const overwritten = file.contents.slice(position, Math.min(usedBytes, position + length));
      this.#undo.push(() => {
        if (overwritten.length > 0) file.contents.set(overwritten, position);
        file.contents.fill(0, usedBytes, file.usedBytes);
        file.usedBytes = usedBytes;
      });
      return write(stream, buffer, offset, length, position);
    };
    const { setattr } = node_ops;
    node_ops.setattr = (file, change) => {
      // A new size makes new contents.
      const { contents, usedBytes } = file;
      if (change.size !== undefined) this.#undo.push(() => Object.assign(file, { contents, usedBytes }));
      setattr(file, change);
    };
  }

  #watchFolders(ops: Folder['node_ops']): void {
    const { FS } = this.#module;
    const { mknod, unlink } = ops;
    ops.mknod = (folder, ...rest) => {
      const node = mknod(folder, ...rest);
      this.#undo.push(() => FS.unlink(FS.getPath(node)));
      return node;
    };
    ops.unlink = (folder, name) => {
      const node = folder.contents[name]!;
      this.#undo.push(() => {
        folder.contents[name] = node;
        FS.hashAddNode(node);
      });
      unlink(folder, name);
    };
    ops.rename = () => {
      throw new Error('a snapshot cannot take back that a file is renamed');
    };
  }
}

/** As far as memory has ever been written. */
function usedBytes(memory: Uint8Array): number {
  const words = new BigUint64Array(memory.buffer, 0, memory.length / 8);
  let end = words.length;
  while (end > 0 && words[end - 1] === 0n) end -= 1;
  return end * 8;
}
