import { memoryOf } from '../../bench/proc.ts';

const LOOK_MS = 500;
/**
 * The heap that the services under test may fill; whatever is kept for each request exhausts it sooner or later, and the
 * process ends. Idle it has 37 to 48 MiB in use.
 */
export const HEAP_MIB_MAX = 128;
/** Resident memory beside the heap. */
const GROWTH_MIB_MAX = 256;

/** Watches the resident memory of a process, where the system tells it. */
export class Memory {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #before = 0;
  #most = 0;
  #after = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  /** What is wrong with its growth so far. */
  async excess(): Promise<string[]> {
    this.#after = await this.#look();
    const growth = this.#after - this.#before;
    return growth <= GROWTH_MIB_MAX ? [] : [`the memory grew by ${growth.toFixed(0)} MiB`];
  }

  close(): void {
    clearInterval(this.#timer);
  }

  line(): string {
    if (this.#before === 0) return 'memory: this system does not tell';
    const [before, most, after] = [this.#before, this.#most, this.#after].map((mib) => mib.toFixed(0));
    return `memory: ${before} MiB before, ${most} at most, ${after} after (at most ${GROWTH_MIB_MAX} more)`;
  }

  async #look(): Promise<number> {
    const mib = (await memoryOf(this.#pid)) ?? 0;
    this.#before ||= mib;
    this.#most = Math.max(this.#most, mib);
    return mib;
  }
}
